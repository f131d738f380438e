import type { RefObject } from 'preact';
import { useLayoutEffect, useState } from 'preact/hooks';
import { Icon } from '../icons';
import { useWords } from '../words';
import './composer.css';

interface Props {
  field: RefObject<HTMLTextAreaElement | null>;
  placeholder: string;
  maxChars: number;
  /** An answer is on its way; what is typed now waits for its end. */
  answering: boolean;
  /** No more messages can wait. */
  full: boolean;
  onType: () => void;
  onAsk: (question: string) => void;
  onStop: () => void;
}

export function Composer({ field, placeholder, maxChars, answering, full, onType, onAsk, onStop }: Props) {
  const { say } = useWords();
  const [text, setText] = useState('');
  const question = text.trim();
  // The server counts characters, not UTF-16 units.
  const excess = question.length > maxChars ? [...question].length - maxChars : 0;
  const ready = question !== '' && excess <= 0 && !full;
  const stops = answering && !question;

  useLayoutEffect(() => {
    const node = field.current;
    if (node) {
      node.style.height = 'auto';
      node.style.height = `${node.scrollHeight}px`;
    }
  }, [text]);

  const send = () => {
    if (ready) {
      setText('');
      onAsk(question);
    }
  };
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
        field.current?.focus();
      }}
    >
      <textarea
        ref={field}
        rows={1}
        // By the text once there is some; the placeholder goes by the document.
        dir={text ? 'auto' : undefined}
        value={text}
        placeholder={placeholder}
        aria-label={placeholder}
        aria-invalid={excess > 0}
        aria-describedby={excess > 0 ? 'composer-problem' : undefined}
        enterkeyhint="send"
        onInput={(event) => {
          setText(event.currentTarget.value);
          onType();
        }}
        onKeyDown={(event) => {
          // While an input method composes, Enter chooses a word.
          if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
            event.preventDefault();
            send();
          }
        }}
      />
      {answering && question && (
        <button type="button" class="send stop beside" aria-label={say('stop')} onClick={onStop}>
          <Icon name="stop" size={20} />
        </button>
      )}
      {/* One button for both, so that the focus stays where it is when the answer ends. */}
      <button
        type={stops ? 'button' : 'submit'}
        class={stops ? 'send stop' : 'send'}
        aria-label={say(stops ? 'stop' : 'send')}
        aria-disabled={!stops && !ready}
        onClick={stops ? onStop : undefined}
      >
        <Icon name={stops ? 'stop' : 'send'} size={20} />
      </button>
      {excess > 0 && (
        <p class="composer-problem" id="composer-problem" role="status">
          {say('too_long', { count: excess })}
        </p>
      )}
    </form>
  );
}
