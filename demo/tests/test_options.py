"""What the demo refuses before anything starts, and what it leaves on disk."""

import socket
import stat

import pytest

from demo.options import (
    Refused,
    check_ports,
    push_token,
    read_options,
    take_data_dir,
    write_environment_file,
)


def options(tmp_path, **environ):
    return read_options({"DATA_DIR": str(tmp_path / "data"), **environ})


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"PORT": "http"}, "PORT is 'http'"),
        ({"PORT": "0"}, "PORT is '0'"),
        ({"PORT": "65536"}, "from 1 to 65535"),
        ({"PORT": "9000"}, "PORT and SIMULATOR_PORT are both 9000"),
        ({"FLEET": "-5"}, "FLEET is '-5'"),
        ({"SMARTHUB_BASE_URL": "carrier.example/v1", "SMARTHUB_API_KEY": "k"}, "starts with https://"),
        ({"SMARTHUB_BASE_URL": "https://carrier.example/v1"}, "needs SMARTHUB_API_KEY"),
    ],
)
def test_a_wrong_value_is_named(tmp_path, environ, said):
    with pytest.raises(Refused, match=said):
        options(tmp_path, **environ)


def test_an_empty_variable_is_one_that_is_not_set(tmp_path):
    given = options(tmp_path, PORT="", FLEET="", SMARTHUB_BASE_URL="", SMARTHUB_API_KEY="")
    assert (given.port, given.fleet, given.simulated) == (8000, 2000, True)


def test_a_taken_port_is_named_with_a_way_out(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        with pytest.raises(Refused, match=f"Port {port} is taken .* make demo PORT="):
            check_ports(options(tmp_path, PORT=port))
        with pytest.raises(Refused, match=f"Port {port} is taken .* make demo SIMULATOR_PORT="):
            check_ports(options(tmp_path, SIMULATOR_PORT=port))
        other = options(tmp_path, SIMULATOR_PORT=port, SMARTHUB_BASE_URL="http://carrier.example", SMARTHUB_API_KEY="k")
        assert not other.simulated


def test_one_demo_at_a_time_in_a_directory(tmp_path):
    given = options(tmp_path)
    with take_data_dir(given):
        assert stat.S_IMODE(given.data_dir.stat().st_mode) == 0o700
        with pytest.raises(Refused, match=r"Another demo \(process \d+\) runs on DATA_DIR"):
            take_data_dir(given)
    take_data_dir(given).close()


def test_another_fleet_on_old_data_is_refused(tmp_path):
    take_data_dir(options(tmp_path, FLEET="100")).close()
    with pytest.raises(Refused, match="make demo FLEET=100"):
        take_data_dir(options(tmp_path, FLEET="200"))
    take_data_dir(options(tmp_path, FLEET="100")).close()


def test_a_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "data").write_text("a file")
    with pytest.raises(Refused, match="can't be used"):
        take_data_dir(options(tmp_path))


def test_the_key_of_another_carrier_is_never_written(tmp_path):
    other = options(tmp_path, SMARTHUB_BASE_URL="https://carrier.example/v1", SMARTHUB_API_KEY="canary")
    with take_data_dir(other):
        push_token(other)
        write_environment_file(other)
    given_to_the_simulator = options(tmp_path, SMARTHUB_API_KEY="canary")
    with take_data_dir(given_to_the_simulator):
        write_environment_file(given_to_the_simulator)
    written = [path.read_text() for path in other.data_dir.rglob("*") if path.is_file()]
    assert written
    assert not any("canary" in text for text in written)


def test_secrets_stay_the_same_and_private(tmp_path):
    given = options(tmp_path)
    with take_data_dir(given):
        token = push_token(given)
        write_environment_file(given)
        first = (given.data_dir / "demo.env").read_text()
        write_environment_file(given)
        assert (given.data_dir / "demo.env").read_text() == first
        assert push_token(given) == token
        assert stat.S_IMODE((given.data_dir / "push-token").stat().st_mode) == 0o600
        assert stat.S_IMODE((given.data_dir / "secret-key").stat().st_mode) == 0o600
