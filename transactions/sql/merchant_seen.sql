-- What one row sees of its merchant.
SELECT ({stretch}) FROM ({paid}) AS paid
