"""What `manage.py doctor` looks at: an installation, and what to do about what is wrong with it. Changes nothing."""
