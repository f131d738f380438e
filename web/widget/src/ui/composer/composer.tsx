import type { RefObject } from 'preact';
import { useLayoutEffect, useState } from 'preact/hooks';
import { Icon } from '../icons';
import { useWords } from '../words';
import './composer.css';

interface Props {
  field: RefObject<HTMLTextAreaElement | null>;
  placeholder: string;
  maxChars: number;
  /** An answer is on its way; what is typed waits for its end. */
  answering: boolean;
  onAsk: (question: string) => void;
  onStop: () => void;
}

export function Composer({ field, placeholder, maxChars, answering, onAsk, onStop }: Props) {
  const { say } = useWords();
  const [text, setText] = useState('');
  const question = text.trim();
  // The server counts characters, not UTF-16 units.
  const excess = question.length > maxChars ? [...question].length - maxChars : 0;
  const ready = question !== '' && excess <= 0 && !answering;

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
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => {
          // While an input method composes, Enter chooses a word.
          if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
            event.preventDefault();
            send();
          }
        }}
      />
      {/* One button for both, so that the focus stays where it is when the answer ends. */}
      <button
        type={answering ? 'button' : 'submit'}
        class={answering ? 'send stop' : 'send'}
        aria-label={say(answering ? 'stop' : 'send')}
        aria-disabled={!answering && !ready}
        onClick={answering ? onStop : undefined}
      >
        <Icon name={answering ? 'stop' : 'send'} size={20} />
      </button>
      {excess > 0 && (
        <p class="composer-problem" id="composer-problem" role="status">
          {say('too_long', { count: excess })}
        </p>
      )}
    </form>
  );
}
