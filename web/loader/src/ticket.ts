// The embed ticket, asked for from the shop's page: only here does the browser vouch for the embedding origin.

export interface TicketAnswer {
  /** Of the HTTP response; 0 if there was none. */
  status: number;
  ticket?: string | undefined;
}

export async function requestTicket(base: string, site: string): Promise<TicketAnswer> {
  try {
    const response = await fetch(`${base}/api/v1/embed/ticket`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ site }),
    });
    return { status: response.status, ticket: response.ok ? (await response.json()).ticket : undefined };
  } catch {
    return { status: 0 };
  }
}
