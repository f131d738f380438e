-- Whoever changes the state has used up the address of the turn: a second late answer finds it complete.
UPDATE turns
SET state = 'complete', ended_at = $4, partial_answer = NULL
WHERE id = $1 AND conversation_id = $2 AND site_id = $3 AND state IN ('answering', 'interrupted', 'failed')
RETURNING number, answer_id, started_at
