SELECT m.number, m.id, m.turn_id, m.role, m.content, m.key_id, m.created_at, t.state
FROM messages AS m
JOIN turns AS t ON t.id = m.turn_id
WHERE m.conversation_id = $1 AND m.number < $2
ORDER BY m.number DESC
LIMIT $3
