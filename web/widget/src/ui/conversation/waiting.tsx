import { useLayoutEffect, useRef } from 'preact/hooks';
import type { Waiting } from '../../state/conversation';
import { Icon } from '../icons';
import { useWords } from '../words';

/** What was said and is not sent yet, in the order in which it will be. */
export function WaitingMessages(props: { messages: readonly Waiting[]; onCancel: (key: string) => void }) {
  return (
    <ul class="waiting">
      {props.messages.map((message) => (
        <WaitingMessage key={message.key} message={message} onCancel={props.onCancel} />
      ))}
    </ul>
  );
}

function WaitingMessage({ message, onCancel }: { message: Waiting; onCancel: (key: string) => void }) {
  const { say } = useWords();
  const row = useRef<HTMLLIElement>(null);
  // Sent or canceled, it takes its button along: the keyboard goes on where the next message is written.
  useLayoutEffect(() => {
    const node = row.current;
    return () => {
      if (node?.contains(document.activeElement)) {
        document.querySelector('textarea')?.focus();
      }
    };
  }, []);
  return (
    <li class="question-row" ref={row}>
      <p class="question" data-unsent id={message.key} dir="auto">
        {message.question}
      </p>
      <p class="unsent">
        <Icon name="clock" size={16} />
        {say('waiting')}
        <span aria-hidden="true">·</span>
        <button type="button" aria-describedby={message.key} onClick={() => onCancel(message.key)}>
          {say('cancel')}
        </button>
      </p>
    </li>
  );
}
