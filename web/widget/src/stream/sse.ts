// Server-sent events out of text in any split, after the WHATWG HTML standard, "Interpreting an event stream".
// Pure: it neither reads nor waits.

export interface ServerSentEvent {
  data: string;
  /** The last id seen so far, as the standard keeps it. */
  id: string;
}

export interface SseParser {
  /** The events that `text` completes. */
  push(text: string): ServerSentEvent[];
}

/** One answer is at most 1 MiB on the server; a line that grows beyond this is not ours. */
const LINE_LIMIT = 4 * 1024 * 1024;

export function createSseParser(): SseParser {
  let rest = '';
  let data: string[] = [];
  let id = '';
  let atStart = true;

  return {
    push(text) {
      rest += text;
      if (atStart && rest) {
        atStart = false;
        rest = rest.replace(/^\uFEFF/, '');
      }
      const events: ServerSentEvent[] = [];
      let begin = 0;
      for (const end of rest.matchAll(/\r\n|\n|\r(?!$)/g)) {
        line(rest.slice(begin, end.index), events);
        begin = end.index + end[0].length;
      }
      rest = rest.slice(begin);
      if (rest.length > LINE_LIMIT) {
        throw new RangeError('a line of the stream is too long');
      }
      return events;
    },
  };

  function line(text: string, events: ServerSentEvent[]): void {
    if (text === '') {
      if (data.length > 0) {
        events.push({ data: data.join('\n'), id });
      }
      data = [];
      return;
    }
    const [, field, value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(text) ?? [];
    if (field === 'data') {
      data.push(value);
    } else if (field === 'id' && !value.includes('\0')) {
      id = value;
    }
  }
}
