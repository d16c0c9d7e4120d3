"""What we found and what we judged: anomalies, cases, verdicts, references."""
