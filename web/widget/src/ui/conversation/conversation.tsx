import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Chat } from '../../chat';
import type { Conversation, Turn, Waiting } from '../../state/conversation';
import { Icon } from '../icons';
import { useWords } from '../words';
import './conversation.css';
import { HistoryNotice } from './notice';
import { useReading } from './scroll';
import { TurnView } from './turn';
import { WaitingMessages } from './waiting';

/** A conversation that is there sooner than this needs no sign of loading. */
const LOADING_SIGN_MS = 300;
const NONE: readonly Waiting[] = [];

interface Props {
  state: Conversation;
  chat: Chat;
  opening: ComponentChildren;
  onScrolled: (scrolled: boolean) => void;
}

export function ConversationView({ state, chat, opening, onScrolled }: Props) {
  const { say } = useWords();
  const scroller = useRef<HTMLDivElement>(null);
  const end = useRef<HTMLDivElement>(null);
  const [announcement, setAnnouncement] = useState('');
  const reading = useReading(scroller, end, state, chat.loadEarlier);
  useEffect(() => onScrolled(reading.scrolled), [reading.scrolled]);

  const { turns, queue } = state;
  const isEmpty = turns.length + queue.length === 0;
  const waited = useRef(0);
  useEffect(() => {
    if (queue.length > waited.current) {
      setAnnouncement(say('waiting'));
    }
    waited.current = queue.length;
  }, [queue.length]);
  const announce = (turn: Turn, text: string) => {
    if (turn.live) {
      setAnnouncement(turn.state === 'stopped' ? say('stopped') : text);
    }
  };
  return (
    <div class="conversation">
      <main
        class="scroller"
        ref={scroller}
        onScroll={reading.onScroll}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
        tabIndex={0}
        aria-label={say('conversation')}
      >
        {isEmpty && typeof state.opening === 'object' && (
          <HistoryNotice failure={state.opening} onRetry={chat.open} />
        )}
        {isEmpty && state.opening === 'idle' && opening}
        {isEmpty && state.opening === 'loading' && <LoadingBars />}
        {state.earlier === 'failed' && (
          <button type="button" class="button" onClick={chat.loadEarlier}>
            <Icon name="retry" size={16} />
            {say('try_again')}
          </button>
        )}
        {turns.map((turn) => (
          <TurnView
            key={turn.key}
            turn={turn}
            isLast={turn === turns.at(-1)}
            queue={turn === turns.at(-1) ? queue : NONE}
            onRetry={chat.retry}
            onAsk={chat.ask}
            onCancel={chat.cancel}
            onSettled={announce}
          />
        ))}
        {turns.length === 0 && queue.length > 0 && (
          <WaitingMessages messages={queue} onCancel={chat.cancel} />
        )}
        <div class="end" ref={end} />
      </main>
      {reading.moreBelow && turns.length > 0 && (
        <button type="button" class="more-below" aria-label={say('more_below')} onClick={reading.toEnd}>
          <Icon name="jump" size={20} />
        </button>
      )}
      <p class="hidden" role="status">
        {announcement}
      </p>
    </div>
  );
}

function LoadingBars() {
  const { say } = useWords();
  const [visible, setVisible] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setVisible(true), LOADING_SIGN_MS);
    return () => clearTimeout(timer);
  }, []);
  return visible ? (
    <div class="bars" role="img" aria-label={say('loading')}>
      <i />
      <i />
      <i />
    </div>
  ) : null;
}
