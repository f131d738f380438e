// The visitor API. Written by `npm run generate` from openapi.json; do not edit.

/** One accent, computed from the shop's color for one color scheme. */
export interface AccentTokens {
  accent: string;
  accent_text: string;
  on_accent: string;
  /** A pale fill that needs a ring to be seen on the surface. */
  ring: boolean;
}

export type AnswerStatus = 'queued' | 'thinking' | 'tool';

export interface Attachment {
  media_type?: string | null;
  title?: string | null;
  url: string;
}

export interface CallbackResponse {
  /** `answer` and `failure` end the turn; `execution_id` leaves the address as good as before. */
  taken: string;
}

export type Conversation = HistoryPage & {
  id: string;
  running?: RunningTurn | null;
};

export interface EndResponse {
  ended: boolean;
}

export type EndState = 'complete' | 'interrupted' | 'failed' | 'stopped';

export interface HealthConfig {
  sites: number;
}

/** How the process is doing. */
export interface HealthResponse {
  config: HealthConfig;
  mode: string;
  services: Services;
  /** `healthy` or `degraded`; the process lives in both. */
  status: string;
  version: string;
}

/** A page of a conversation, oldest first. */
export interface HistoryPage {
  messages: Message[];
  /** Ask with it for the page before this one; `null` at the beginning of the conversation. */
  next_cursor?: string | null;
}

export interface Launcher {
  position: Position;
}

/** One entry of a conversation. */
export interface Message {
  content: string;
  /** RFC 3339, UTC. */
  created_at: string;
  id: string;
  role: string;
  /** `answering`, `complete`, `interrupted`, `failed` or `stopped`. */
  state: string;
  turn_id: string;
}

export interface MessageRequest {
  /** What the visitor says. */
  message: string;
  /** The idempotency key, if the `Idempotency-Key` header is absent. */
  message_id?: string | null;
  /** Flat, at most 20 strings; the workflow finds them under `metadata`. */
  metadata?: Record<string, string>;
  page_title?: string | null;
  /** The shop's page on which they say it. */
  page_url?: string | null;
}

export type Position = 'bottom-right' | 'bottom-left';

/** The body of every error. */
export interface Problem {
  /** The stable code. */
  code: string;
  /** What exactly, where that helps. */
  detail: string;
  /** Names this request in the server's log. */
  request_id: string;
  retry_after_ms?: number | null;
  /** Whether sending the same again later can help. */
  retryable: boolean;
  /** The HTTP status. */
  status: number;
  /** One sentence for a person. */
  title: string;
  /** `urn:chat-proxy:problem:` and the code. */
  type: string;
}

/** Whether the process takes new turns, and if not, why. */
export interface ReadyResponse {
  ready: boolean;
  /** `draining` or `database`. */
  waiting_for?: string[];
}

export interface RunningTurn {
  last_event_id: string;
  turn_id: string;
}

export type Scheme = 'auto' | 'light' | 'dark';

export interface Services {
  database: string;
  n8n: string;
}

export interface SessionRequest {
  /** From the session before; the same conversation goes on. */
  resume_token?: string | null;
  /** The site, for an API client on a page whose origin several sites allow. */
  site?: string | null;
  /** The embed ticket; needed by the panel, whose `Origin` is the server's own. */
  ticket?: string | null;
}

/** A session and the conversation in it. */
export interface SessionResponse {
  conversation: Conversation;
  /** When the session began. RFC 3339, UTC. */
  created_at: string;
  /** When the session token ends. RFC 3339, UTC. */
  expires_at: string;
  /** To be kept by the shop's page; replaced at each use. */
  resume_token: string;
  session_id: string;
  /** Goes into `Authorization: Bearer …`. */
  session_token: string;
}

export interface StopResponse {
  /** The turn that ends now, as `stopped`; `null`: none was running. */
  turn_id?: string | null;
}

/** One event of an answer, as JSON in the `data` of a server-sent event. Unknown types are to be ignored. */
export type StreamEvent =
  | {
      /** What the visitor said. */
      message: string;
      /** The answer's id. */
      message_id: string;
      turn_id: string;
      type: 'begin';
    }
  | {
      content: string;
      type: 'item';
    }
  | {
      type: 'reset';
    }
  | {
      state: AnswerStatus;
      type: 'status';
    }
  | {
      items: string[];
      type: 'suggestions';
    }
  | {
      items: Attachment[];
      type: 'attachments';
    }
  | {
      code: string;
      retry_after_ms?: number | null;
      retryable: boolean;
      title: string;
      type: 'error';
    }
  | {
      type: 'reconnect';
    }
  | {
      state: EndState;
      type: 'end';
    };

/** A pass that stands for one message. */
export interface StreamTicketResponse {
  /** RFC 3339, UTC. */
  expires_at: string;
  ticket: string;
}

export interface Suggestion {
  /** What the button says. */
  text: string;
  /** What is sent. */
  value: string;
}

export interface Theme {
  dark: AccentTokens;
  light: AccentTokens;
  scheme: Scheme;
}

export interface TicketRequest {
  /** The site; without it the page's origin says which. */
  site?: string | null;
}

/** A single-use pass for the panel. */
export interface TicketResponse {
  /** RFC 3339, UTC. */
  expires_at: string;
  ticket: string;
}

export interface ValidateResponse {
  /** RFC 3339, UTC. */
  expires_at: string;
  origin_domain: string;
  session_id: string;
  valid: boolean;
}

/** The settings of a site's launcher and panel. */
export interface WidgetConfig {
  greeting?: string | null;
  intro?: string | null;
  launcher: Launcher;
  /** A language tag; absent: the page's language. */
  locale?: string | null;
  max_message_chars: number;
  privacy_url?: string | null;
  site: string;
  subtitle?: string | null;
  suggestions: Suggestion[];
  /** Words that replace the built-in ones, by their key. */
  texts: Record<string, string>;
  theme: Theme;
  /** Only in the document, for an iframe without the loader. */
  ticket?: string | null;
  title: string;
}
