UPDATE turns
SET partial_answer = $2
WHERE id = $1 AND state = 'answering'
