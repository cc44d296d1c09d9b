import django.db.models.deletion
from django.db import migrations, models


def room_for_updates(apps, schema_editor):
    """A page of the running rows is half empty on PostgreSQL: a walk writes all rows of a page at once, in place."""
    if schema_editor.connection.vendor == 'postgresql':
        schema_editor.execute(
            'ALTER TABLE sims_simusage SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05)'
        )


class Migration(migrations.Migration):

    dependencies = [
        ('sims', '0006_histories'),
    ]

    operations = [
        migrations.CreateModel(
            name='SimUsage',
            fields=[
                ('sim', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='usage', serialize=False, to='sims.sim', verbose_name='SIM')),
                ('counted', models.BigIntegerField(help_text='The highest reading of the cycle that was taken into the days.', verbose_name='counted of the cycle, bytes')),
                ('usual', models.BigIntegerField(default=-1, help_text='Median of the last days; -1 while too few are known.', verbose_name='usual day, bytes')),
                ('cycle', models.BigIntegerField(default=0, help_text='Unix time; 0 for unknown.', verbose_name='start of the cycle')),
                ('fell_at', models.BigIntegerField(default=0, help_text='Unix time since which readings are lower; 0 for no such thing.', verbose_name='below that since')),
                ('since', models.IntegerField(verbose_name='first day here')),
                ('day', models.IntegerField(verbose_name='newest day')),
                ('hours', models.BinaryField(default=b'', verbose_name='hours of the newest day')),
                ('days', models.BinaryField(default=b'', verbose_name='days before it')),
                ('cycles', models.BinaryField(default=b'', verbose_name='cycles that ended')),
            ],
            options={
                'verbose_name': 'usage of a SIM',
                'verbose_name_plural': 'usage of SIMs',
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='UsageMonth',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('block', models.BigIntegerField(help_text='Id of the SIM divided by 192.', verbose_name='block')),
                ('month', models.DateField(help_text='Its first day.', verbose_name='month')),
                ('packed', models.BinaryField(verbose_name='packed')),
                ('thinned', models.BooleanField(default=False, verbose_name='only totals are left')),
            ],
            options={
                'verbose_name': 'usage of a month',
                'verbose_name_plural': 'usage of months',
                'default_permissions': (),
            },
        ),
        migrations.AddField(
            model_name='sim',
            name='usage_jump_on',
            field=models.DateField(blank=True, help_text="The last day (UTC) far above the SIM's usual ones.", null=True, verbose_name='unusual usage on'),
        ),
        migrations.AddIndex(
            model_name='sim',
            index=models.Index(condition=models.Q(('usage_jump_on__isnull', False)), fields=['usage_jump_on', 'giccid'], name='sim_usage_jump'),
        ),
        migrations.AddIndex(
            model_name='simusage',
            index=models.Index(fields=['since'], name='usage_since'),
        ),
        migrations.AddIndex(
            model_name='usagemonth',
            index=models.Index(fields=['thinned', 'month'], name='usage_month_thinned'),
        ),
        migrations.AddConstraint(
            model_name='usagemonth',
            constraint=models.UniqueConstraint(fields=('block', 'month'), name='usage_month_once'),
        ),
        migrations.RunPython(room_for_updates, migrations.RunPython.noop),
    ]
