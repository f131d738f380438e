// What surrounds the widget: the loader on the shop's page, or nothing but a bare iframe.

import type { KeptMessage } from '@chat-proxy/protocol/messages';

export interface Pass {
  ticket: string;
  resumeToken: string | null;
}

export interface Page {
  page_url: string;
  page_title: string;
}

export interface HostState {
  open: boolean;
  /** The panel covers the whole screen, as on a phone. */
  full: boolean;
  /** The shop's storage holds a resume token. */
  resumable: boolean;
  /** The messages that waited when the page was left. */
  kept?: readonly KeptMessage[] | undefined;
}

export interface Host {
  /** A single-use embed ticket, and the resume token as it stands now. Fails with an `ApiError`. */
  pass(): Promise<Pass>;
  /** The shop's page at this moment: single-page shops change it without a load. */
  page(): Promise<Page>;
  saveResumeToken(token: string | null): void;
  /** Remembers a message until the server has it, beyond a reload where the shop's storage allows it. */
  keep(message: KeptMessage): void;
  drop(key: string): void;
  unread(count: number): void;
  /** Absent where there is nothing to close. */
  close?: () => void;
  onState(listener: (state: HostState) => void): void;
}
