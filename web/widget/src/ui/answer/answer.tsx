import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Turn } from '../../state/conversation';
import { COPIED_MS, copyText } from '../copy';
import { Icon } from '../icons';
import { useWords } from '../words';
import './answer.css';
import type { Markdown } from './markdown';
import { useRenderer } from './renderer';

/** The text of an answer, written on as it comes. `onSettled` gets its plain text once, at its end. */
export function AnswerText({ turn, onSettled }: { turn: Turn; onSettled: (text: string) => void }) {
  const words = useWords();
  const render = useRenderer();
  const root = useRef<HTMLDivElement>(null);
  const writer = useRef<{ markdown: Markdown; written: string } | null>(null);
  const answering = turn.state === 'answering';

  useLayoutEffect(() => {
    const node = root.current;
    if (!node || render === undefined) {
      return;
    }
    if (!render) {
      node.textContent = turn.text;
      node.classList.add('plain');
      return;
    }
    // A reset, or an answer that comes anew: what stands is no longer its beginning.
    if (!writer.current || !turn.text.startsWith(writer.current.written)) {
      node.replaceChildren();
      node.classList.remove('plain');
      writer.current = { markdown: render(node, words, answering ? caret() : undefined), written: '' };
    }
    const delta = turn.text.slice(writer.current.written.length);
    if (delta) {
      writer.current.markdown.write(delta);
      writer.current.written = turn.text;
    }
    if (!answering) {
      writer.current.markdown.end();
    }
  }, [turn.text, answering, words, render]);

  useEffect(() => {
    if (!answering) {
      onSettled(root.current?.textContent || turn.text);
    }
  }, [answering]);

  return <div class="answer-text" dir="auto" ref={root} />;
}

function caret(): HTMLElement {
  const node = document.createElement('i');
  node.className = 'caret writing';
  return node;
}

/** Before the first text: the caret waits, and one word says for what. */
export function Status({ turn }: { turn: Turn }) {
  const { say } = useWords();
  return (
    <p class="status" data-state={turn.status}>
      <i class="caret" />
      {/* Without a connection nobody knows, and the line above the composer says so. */}
      {!turn.waiting && say(turn.status)}
    </p>
  );
}

export function Actions({ turn }: { turn: Turn }) {
  const { say, clock } = useWords();
  const [hovered, setHovered] = useState(false);
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    const timer = copied ? setTimeout(() => setCopied(false), COPIED_MS) : 0;
    return () => clearTimeout(timer);
  }, [copied]);
  const time = turn.answeredAt ? clock(turn.answeredAt) : '';
  return (
    <div class="actions">
      <button
        type="button"
        class="icon-button"
        aria-label={say('copy')}
        onClick={async () => setCopied(await copyText(turn.text))}
        onPointerEnter={() => setHovered(true)}
        onPointerLeave={() => setHovered(false)}
      >
        <Icon name={copied ? 'check' : 'copy'} size={16} />
      </button>
      <span class="end-slot" role="status">
        {copied ? say('copied') : <span aria-hidden={hovered}>{hovered ? say('copy') : time}</span>}
      </span>
    </div>
  );
}
