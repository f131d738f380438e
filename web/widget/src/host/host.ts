// What surrounds the widget: the loader on the shop's page, or nothing but a bare iframe.

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
}

export interface Host {
  /** A single-use embed ticket, and the resume token as it stands now. Fails with an `ApiError`. */
  pass(): Promise<Pass>;
  /** The shop's page at this moment: single-page shops change it without a load. */
  page(): Promise<Page>;
  saveResumeToken(token: string | null): void;
  unread(count: number): void;
  /** Absent where there is nothing to close. */
  close?: () => void;
  onState(listener: (state: HostState) => void): void;
}
