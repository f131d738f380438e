import type { Attachment } from '@chat-proxy/protocol/api';
import { Icon } from '../icons';
import { isSafeLink } from './link';

/** Links that belong to the answer, each as a card. */
export function Attachments({ items }: { items: readonly Attachment[] }) {
  return (
    <ul class="cards">
      {items
        .filter(({ url }) => isSafeLink(url))
        .map(({ url, title }) => (
          <li key={url}>
            <a class="card" href={url} target="_blank" rel="noopener noreferrer">
              <span class="card-text">
                <span class="card-title" dir="auto">
                  {title || url}
                </span>
                <span class="card-line">{new URL(url).host || url}</span>
              </span>
              <Icon name="open" size={20} />
            </a>
          </li>
        ))}
    </ul>
  );
}
