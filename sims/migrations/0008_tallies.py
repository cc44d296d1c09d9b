from django.db import migrations, models


def fill(apps, schema_editor):
    """Give each event its SIM's account, then count once. An empty database has nothing to count."""
    if not apps.get_model('sims', 'Sim').objects.exists():
        return
    events = apps.get_model('sims', 'TimelineEvent').objects
    sims = apps.get_model('sims', 'Sim').objects
    of_sim = sims.filter(pk=models.OuterRef('sim_id')).values('account_id')
    events.update(account_name=models.Subquery(of_sim))
    from sims.services.tallies import mend

    mend()


def vacuum_often(apps, schema_editor):
    """A small table from which many rows go: cleaned by the number of them on PostgreSQL, not by its size."""
    if schema_editor.connection.vendor == 'postgresql':
        schema_editor.execute(
            'ALTER TABLE sims_simtally SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, '
            'autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 5000)'
        )


class Migration(migrations.Migration):

    dependencies = [
        ('sims', '0007_usage'),
    ]

    operations = [
        migrations.AddField(
            model_name='timelineevent',
            name='account_name',
            field=models.CharField(blank=True, default='', help_text="The SIM's, wherever it goes: the newest events of an account are found by one index.", max_length=120, verbose_name='account'),
        ),
        migrations.CreateModel(
            name='SimTally',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('dimension', models.CharField(choices=[('status', 'State'), ('plan', 'Rate plan'), ('pool', 'Share pool'), ('quota', 'Quota used'), ('seen', 'Day of the last session of activated SIMs'), ('became', 'Changes of state by day')], max_length=10, verbose_name='dimension')),
                ('account_name', models.CharField(max_length=120, verbose_name='account')),
                ('value', models.TextField(blank=True, help_text='A state, a code (empty: none), a band of the quota, a UTC day or never, a day/state.', verbose_name='value')),
                ('batch', models.BigIntegerField(default=0, help_text='0: the sum so far; else a number of the change that it is of.', verbose_name='batch')),
                ('sims', models.BigIntegerField(default=0, verbose_name='SIMs, or events')),
                ('used', models.BigIntegerField(default=0, verbose_name='data used in the cycle, bytes')),
                ('quota', models.BigIntegerField(default=0, verbose_name='data quota of the cycle, bytes')),
            ],
            options={
                'verbose_name': 'tally',
                'verbose_name_plural': 'tallies',
                'default_permissions': (),
                'indexes': [models.Index(condition=models.Q(('batch', 0), _negated=True), fields=['id'], name='tally_unfolded')],
                'constraints': [models.UniqueConstraint(fields=('dimension', 'account_name', 'value', 'batch'), name='tally_once')],
            },
        ),
        migrations.RunPython(vacuum_often, migrations.RunPython.noop),
        migrations.RunPython(fill, migrations.RunPython.noop),
        # After the events were given their accounts: each index is built once, not kept up.
        migrations.AddIndex(
            model_name='timelineevent',
            index=models.Index(fields=['at', 'id'], name='event_at'),
        ),
        migrations.AddIndex(
            model_name='timelineevent',
            index=models.Index(fields=['kind', 'at', 'id'], name='event_kind_at'),
        ),
        migrations.AddIndex(
            model_name='timelineevent',
            index=models.Index(condition=models.Q(('kind', 'status'), ('outcome', 'success')), fields=['kind', 'outcome', 'to_value', 'at', 'id'], name='event_became_at'),
        ),
        migrations.AddIndex(
            model_name='timelineevent',
            index=models.Index(fields=['account_name', 'at', 'id'], name='event_account_at'),
        ),
        migrations.AddIndex(
            model_name='timelineevent',
            index=models.Index(condition=models.Q(('outcome', 'success'), _negated=True), fields=['outcome', 'at', 'id'], name='event_outcome_at'),
        ),
    ]
