// The envelope that the loader (shop page) and the widget (iframe) speak by postMessage, both ways.
// Nothing secret but the ticket and the resume token passes here, so every message goes to one exact origin
// and is believed only from one exact origin and one exact window.

/** Marks our messages among all others that a page receives. */
const CHANNEL = 'chat-proxy';

/** The URL fragment parameter by which the loader tells the iframe the origin to speak with. */
export const PARENT_ORIGIN = 'origin';

/** What the visitor has said and the server may not have yet; it outlives a reload in the shop's storage. */
export interface KeptMessage {
  /** Its idempotency key. */
  key: string;
  question: string;
  /** Unix milliseconds. */
  at: number;
}

/** Widget → loader. A `request` is answered by a message that carries the same `request` number. */
export type FromWidget =
  | { type: 'ready' }
  | { type: 'ticket.request'; request: number }
  | { type: 'page.request'; request: number }
  | { type: 'resume.save'; token: string | null }
  | ({ type: 'keep' } & KeptMessage)
  | { type: 'drop'; key: string }
  | { type: 'unread'; count: number }
  | { type: 'close' };

/** Loader → widget. */
export type FromLoader =
  | {
      type: 'state';
      open: boolean;
      /** The panel covers the whole screen, as on a phone. */
      full: boolean;
      /** The shop's storage holds a resume token. */
      resumable: boolean;
      /** Absent from a loader of an earlier release. */
      kept?: KeptMessage[];
    }
  | {
      type: 'ticket';
      request: number;
      /** Absent when the server refused one; `status` is then the HTTP status, 0 without an answer. */
      ticket?: string | undefined;
      status: number;
      /** Read from the shop's storage at this moment, because another tab may have rotated it. */
      resume_token: string | null;
    }
  | { type: 'page'; request: number; url: string; title: string };

type Envelope<Message> = Message & { channel: typeof CHANNEL };

/** Sends to exactly one origin; `*` is not possible, because `origin` is always a parsed one. */
export function post<Message extends FromWidget | FromLoader>(
  target: Window | null,
  origin: string,
  message: Message,
): void {
  target?.postMessage({ channel: CHANNEL, ...message } satisfies Envelope<Message>, origin);
}

/** The message in `event`, if it is ours and comes from the expected window at the expected origin. */
export function received<Message extends FromWidget | FromLoader>(
  event: MessageEvent,
  source: Window | null,
  origin: string,
): Message | undefined {
  if (event.origin === origin && source && event.source === source && event.data?.channel === CHANNEL) {
    return event.data;
  }
  return undefined;
}
