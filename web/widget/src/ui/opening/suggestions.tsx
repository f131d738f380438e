import type { Suggestion } from '@chat-proxy/protocol/api';
import { Icon } from '../icons';
import './opening.css';

/** Each one sends at once; the arrow says so. */
export function Suggestions(props: {
  items: readonly Suggestion[];
  kind: 'opening' | 'follow-up';
  onAsk: (question: string) => void;
}) {
  return (
    <ul class="suggestions" data-kind={props.kind}>
      {props.items.map((item) => (
        <li key={item.text}>
          <button type="button" class="suggestion" onClick={() => props.onAsk(item.value)}>
            <span dir="auto">{item.text}</span>
            <Icon name="send" size={16} />
          </button>
        </li>
      ))}
    </ul>
  );
}
