UPDATE write_checks
SET checks = checks + 1
WHERE id = 1
