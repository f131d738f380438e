import type { WidgetConfig } from '@chat-proxy/protocol/api';
import { useEffect, useReducer, useRef, useState } from 'preact/hooks';
import type { Chat } from '../../chat';
import type { Host } from '../../host/host';
import { answeringTurn, MOST_WAITING } from '../../state/conversation';
import { loadRenderer } from '../answer/renderer';
import { Composer } from '../composer/composer';
import { ConnectionLine } from '../connection/connection';
import { ConversationView } from '../conversation/conversation';
import { Icon } from '../icons';
import { Opening } from '../opening/opening';
import { useWords } from '../words';
import { keepFocusInside } from './focus';
import './panel.css';

interface Props {
  chat: Chat;
  host: Host;
  config: WidgetConfig;
  greeting: string;
  placeholder: string;
}

export function Panel({ chat, host, config, greeting, placeholder }: Props) {
  const { say } = useWords();
  const [, render] = useReducer((count: number) => count + 1, 0);
  const [scrolled, setScrolled] = useState(false);
  const field = useRef<HTMLTextAreaElement>(null);
  const panel = useRef<HTMLDivElement>(null);
  const state = chat.state();

  useEffect(() => chat.subscribe(() => render(undefined as never)), [chat]);
  useEffect(() => {
    host.onState(({ open }) => {
      if (open) {
        // On a touch screen a focused field would raise the keyboard over the greeting.
        (matchMedia('(pointer: coarse)').matches ? panel : field).current?.focus({ preventScroll: true });
      }
    });
  }, [host]);

  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.key === 'Escape') {
        host.close?.();
      } else if (panel.current) {
        keepFocusInside(panel.current, event);
      }
    };
    document.addEventListener('keydown', onKeyDown);
    return () => document.removeEventListener('keydown', onKeyDown);
  }, [host]);

  const ask = (question: string) => {
    void loadRenderer();
    void chat.ask(question);
  };
  return (
    <div class="panel" ref={panel} tabIndex={-1}>
      <header class="header" data-scrolled={scrolled}>
        <div class="names">
          <h1 class="title">{config.title}</h1>
          <p class="subtitle">{config.subtitle || say('subtitle')}</p>
        </div>
        {state.turns.length + state.queue.length > 0 && (
          <button
            type="button"
            class="icon-button"
            aria-label={say('new_conversation')}
            onClick={() => {
              chat.startAnew();
              field.current?.focus();
            }}
          >
            <Icon name="new" size={20} />
          </button>
        )}
        {host.close && (
          <button type="button" class="icon-button close" aria-label={say('close')} onClick={host.close}>
            <Icon name="close" size={20} />
            <Icon name="chevron" size={20} />
          </button>
        )}
      </header>
      <ConversationView
        state={state}
        chat={chat}
        onScrolled={setScrolled}
        opening={
          <Opening greeting={greeting} intro={config.intro} suggestions={config.suggestions} onAsk={ask} />
        }
      />
      <footer class="footer">
        <ConnectionLine online={state.online} reconnecting={state.turns.some(({ waiting }) => waiting)} />
        <Composer
          field={field}
          placeholder={placeholder}
          maxChars={config.max_message_chars}
          answering={!!answeringTurn(state)}
          full={state.queue.length >= MOST_WAITING}
          onType={loadRenderer}
          onAsk={ask}
          onStop={() => void chat.stop()}
        />
        <p class="disclosure">
          <span class="disclosure-long">{say('disclosure')}</span>
          <span class="disclosure-short">{say('disclosure_short')}</span>
          {config.privacy_url && (
            <a href={config.privacy_url} target="_blank" rel="noopener noreferrer">
              {say('privacy')}
            </a>
          )}
        </p>
      </footer>
    </div>
  );
}
