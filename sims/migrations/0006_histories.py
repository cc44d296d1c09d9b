import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('sims', '0005_tag_permissions'),
    ]

    operations = [
        migrations.CreateModel(
            name='AccountHistory',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day', models.DateField(verbose_name='day')),
                ('balance', models.DecimalField(blank=True, decimal_places=4, max_digits=16, null=True, verbose_name='balance')),
                ('current_charge', models.DecimalField(blank=True, decimal_places=4, max_digits=16, null=True, verbose_name='current charge')),
                ('currency', models.CharField(blank=True, max_length=8, verbose_name='currency')),
                ('sim_count', models.IntegerField(blank=True, null=True, verbose_name='SIMs')),
                ('status_counts', models.JSONField(blank=True, default=dict, verbose_name='SIMs by state')),
                ('read_at', models.DateTimeField(verbose_name='read')),
            ],
            options={
                'verbose_name': 'day of an account',
                'verbose_name_plural': 'days of accounts',
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='CountryMonth',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('month', models.DateField(help_text='Its first day.', verbose_name='month')),
                ('countries', models.IntegerField(verbose_name='countries')),
                ('read_at', models.DateTimeField(verbose_name='read')),
            ],
            options={
                'verbose_name': "month of an account's statistics",
                'verbose_name_plural': "months of accounts' statistics",
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='CountryUsage',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('month', models.DateField(help_text='Its first day.', verbose_name='month')),
                ('country_code', models.CharField(max_length=8, verbose_name='country')),
                ('data_usage', models.BigIntegerField(blank=True, null=True, verbose_name='data used in bytes')),
                ('sim_count', models.IntegerField(blank=True, null=True, verbose_name='SIMs')),
                ('read_at', models.DateTimeField(verbose_name='read')),
            ],
            options={
                'verbose_name': 'usage in a country',
                'verbose_name_plural': 'usage in countries',
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='PoolHistory',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day', models.DateField(verbose_name='day')),
                ('cycle_start', models.DateTimeField(blank=True, null=True, verbose_name='cycle start')),
                ('cycle_end', models.DateTimeField(blank=True, null=True, verbose_name='cycle end')),
                ('data_quota', models.BigIntegerField(blank=True, null=True, verbose_name='data quota in bytes')),
                ('data_usage', models.BigIntegerField(blank=True, null=True, verbose_name='data used in bytes')),
                ('sim_count', models.IntegerField(blank=True, null=True, verbose_name='SIMs')),
                ('read_at', models.DateTimeField(verbose_name='read')),
            ],
            options={
                'verbose_name': 'day of a share pool',
                'verbose_name_plural': 'days of share pools',
                'default_permissions': (),
            },
        ),
        migrations.AddField(
            model_name='account',
            name='asked_at',
            field=models.DateTimeField(blank=True, help_text='When it was asked for by itself, being unknown; only once.', null=True, verbose_name='asked for'),
        ),
        migrations.AddField(
            model_name='rateplan',
            name='asked_at',
            field=models.DateTimeField(blank=True, help_text='When it was asked for by itself, being unknown; only once.', null=True, verbose_name='asked for'),
        ),
        migrations.AddField(
            model_name='sharepool',
            name='asked_at',
            field=models.DateTimeField(blank=True, help_text='When it was asked for by itself, being unknown; only once.', null=True, verbose_name='asked for'),
        ),
        migrations.AlterField(
            model_name='syncrun',
            name='kind',
            field=models.CharField(choices=[('full', 'Full walk'), ('changes', 'Change logs'), ('reference', 'Accounts, plans and pools'), ('statistics', 'Usage by country')], max_length=10, verbose_name='kind'),
        ),
        migrations.AddField(
            model_name='accounthistory',
            name='account',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='history', to='sims.account', verbose_name='account'),
        ),
        migrations.AddField(
            model_name='countrymonth',
            name='account',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='statistics', to='sims.account', verbose_name='account'),
        ),
        migrations.AddField(
            model_name='countryusage',
            name='account',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='sims.account', verbose_name='account'),
        ),
        migrations.AddField(
            model_name='poolhistory',
            name='pool',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='history', to='sims.sharepool', verbose_name='share pool'),
        ),
        migrations.AddConstraint(
            model_name='accounthistory',
            constraint=models.UniqueConstraint(fields=('account', 'day'), name='account_day_once'),
        ),
        migrations.AddConstraint(
            model_name='countrymonth',
            constraint=models.UniqueConstraint(fields=('account', 'month'), name='country_month_once'),
        ),
        migrations.AddIndex(
            model_name='countryusage',
            index=models.Index(fields=['month', 'country_code'], name='country_usage_month'),
        ),
        migrations.AddConstraint(
            model_name='countryusage',
            constraint=models.UniqueConstraint(fields=('account', 'month', 'country_code'), name='country_usage_once'),
        ),
        migrations.AddConstraint(
            model_name='poolhistory',
            constraint=models.UniqueConstraint(fields=('pool', 'day'), name='pool_day_once'),
        ),
    ]
