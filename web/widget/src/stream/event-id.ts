// Event ids are `epoch-turn-seq`. A stream that is taken up again may repeat what was already seen; the ids say so.

export interface EventId {
  epoch: string;
  turn: number;
  sequence: number;
}

export function parseEventId(id: string): EventId | undefined {
  const match = /^(.+)-(\d+)-(\d+)$/.exec(id);
  return match?.[1] ? { epoch: match[1], turn: Number(match[2]), sequence: Number(match[3]) } : undefined;
}

/** True if `next` was already delivered when `last` was. */
export function isRepeated(next: string, last: string): boolean {
  const [a, b] = [parseEventId(next), parseEventId(last)];
  return !!a && !!b && a.epoch === b.epoch && a.turn === b.turn && a.sequence <= b.sequence;
}

/** The id of the turn's first event, `begin`: following from there replays the whole answer. */
export function firstOfTurn(id: string): string {
  const parsed = parseEventId(id);
  return parsed ? `${parsed.epoch}-${parsed.turn}-0` : id;
}
