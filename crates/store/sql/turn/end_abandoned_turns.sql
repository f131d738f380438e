UPDATE turns
SET state = 'failed', ended_at = $1
WHERE state = 'answering'
