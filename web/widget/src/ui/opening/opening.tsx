import type { Suggestion } from '@chat-proxy/protocol/api';
import { Suggestions } from './suggestions';
import './opening.css';

/** Before the first question: a greeting, what can be asked here, and some questions ready to be sent. */
export function Opening(props: {
  greeting: string;
  intro: string | null | undefined;
  suggestions: readonly Suggestion[];
  onAsk: (question: string) => void;
}) {
  return (
    <div class="opening">
      <h2 class="greeting">{props.greeting}</h2>
      {props.intro && <p class="intro">{props.intro}</p>}
      {props.suggestions.length > 0 && (
        <Suggestions items={props.suggestions.slice(0, 4)} kind="opening" onAsk={props.onAsk} />
      )}
    </div>
  );
}
