// No loader around us: an `<iframe>` that somebody wrote by hand. The document brings a low-trust ticket, and
// nothing can be resumed, because there is no place to keep a resume token.

import { ApiError } from '../api/error';
import { readConfig } from '../config';
import type { Host } from './host';

export function bareHost(frame: Window, firstTicket: string | null | undefined): Host {
  let ticket = firstTicket;
  return {
    async pass() {
      // Tickets live for a minute and for one use: the next one comes with the next document.
      const current = ticket ?? (await ticketOfNewDocument(frame.location.href));
      ticket = null;
      return { ticket: current, resumeToken: null };
    },
    page: async () => ({ page_url: frame.document.referrer, page_title: '' }),
    saveResumeToken: () => {},
    keep: () => {},
    drop: () => {},
    unread: () => {},
    onState: (listener) => listener({ open: true, full: false, resumable: false }),
  };
}

async function ticketOfNewDocument(url: string): Promise<string> {
  const response = await fetch(url, { credentials: 'omit' }).catch(() => {
    throw new ApiError('network');
  });
  const ticket = response.ok ? readConfig(await response.text()).ticket : null;
  if (!ticket) {
    throw ApiError.fromStatus(response.ok ? 403 : response.status);
  }
  return ticket;
}
