"""The README's table of environment variables says what the code reads."""

from django.core.management import call_command

from core.management.commands.config_table import fill, table
from tests.servers import BASE_DIR


def test_the_readme_holds_the_table_of_the_code():
    readme = (BASE_DIR / "README.md").read_text()
    assert fill(readme) == readme, "run: manage.py config_table --write README.md"


def test_the_command_prints_and_writes_it(capsys, tmp_path):
    call_command("config_table")
    assert capsys.readouterr().out == table()
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- config:begin -->\nold\n<!-- config:end -->\nafter\n")
    call_command("config_table", "--write", str(page))
    assert page.read_text() == f"before\n<!-- config:begin -->\n{table()}<!-- config:end -->\nafter\n"


def test_each_option_has_its_line_and_no_secret_has_a_default():
    for name in ("SECRET_KEY", "SMARTHUB_API_KEY", "REDIS_URL"):
        assert f"| `{name}` | **required** |" in table()
