from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("transactions", "0009_index_of_visits"),
    ]

    operations = [
        migrations.CreateModel(
            name="PackedRows",
            fields=[
                ("user_id", models.UUIDField(primary_key=True, serialize=False)),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField()),
                ("layout", models.BigIntegerField()),
                ("rows", models.IntegerField()),
                ("ids", models.IntegerField()),
                ("content", models.BinaryField()),
            ],
            options={
                "db_table": "packed_rows",
            },
        ),
        # A copy of what is stored elsewhere needs no log; and trying to compress hashes takes longer than reading them.
        migrations.RunSQL(
            "ALTER TABLE packed_rows SET UNLOGGED, ALTER COLUMN content SET STORAGE EXTERNAL", migrations.RunSQL.noop
        ),
    ]
