// Where the reader stands. A new question moves to the top and its answer grows beneath; nothing else ever moves
// what is being read.

import type { RefObject } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Conversation } from '../../state/conversation';

const TOP_GAP_PX = 16;
/** So much may be below without a word about it. */
const UNSEEN_PX = 40;
/** Earlier messages are asked for before the reader comes to the top. */
const EARLIER_WITHIN_PX = 400;

export interface Reading {
  scrolled: boolean;
  moreBelow: boolean;
  onScroll(): void;
  toEnd(): void;
}

export function useReading(
  scroller: RefObject<HTMLElement | null>,
  end: RefObject<HTMLElement | null>,
  { turns, cursor, queue }: Conversation,
  loadEarlier: () => void,
): Reading {
  const [scrolled, setScrolled] = useState(false);
  const [moreBelow, setMoreBelow] = useState(false);
  const firstKey = turns[0]?.key;
  const last = turns.at(-1);
  const before = useRef<{ firstKey?: string | undefined; height: number }>({ height: 0 });

  // Earlier messages came above: what was at the top stays where it is.
  useLayoutEffect(() => {
    const node = scroller.current;
    if (node && before.current.firstKey && before.current.firstKey !== firstKey && turns.length > 1) {
      node.scrollTop += node.scrollHeight - before.current.height;
    }
    before.current = { firstKey, height: node?.scrollHeight ?? 0 };
  }, [firstKey, turns.length]);

  useLayoutEffect(() => {
    const node = scroller.current;
    const turn = node?.querySelector<HTMLElement>('.turn:last-of-type');
    // What has waited is asked by itself: the reader may still be at the answer before it.
    if (node && turn && last && !last.waited) {
      node.scrollTop = last.live ? turn.offsetTop - TOP_GAP_PX : node.scrollHeight;
    }
  }, [last?.key, last?.live]);

  // A message that has to wait shows where it waits.
  const newest = queue.at(-1)?.key;
  useLayoutEffect(() => {
    const node = scroller.current;
    const row = newest && node?.querySelector('.waiting > :last-child');
    if (node && row) {
      const hidden = row.getBoundingClientRect().bottom + TOP_GAP_PX - node.getBoundingClientRect().bottom;
      node.scrollTop += Math.max(0, hidden);
    }
  }, [newest]);

  useEffect(() => {
    const node = scroller.current;
    if (!node || !end.current || !globalThis.IntersectionObserver) {
      return;
    }
    const observer = new IntersectionObserver(
      ([entry]) => setMoreBelow(!!entry && !entry.isIntersecting && entry.boundingClientRect.top > 0),
      { root: node, rootMargin: `0px 0px ${UNSEEN_PX}px 0px` },
    );
    observer.observe(end.current);
    return () => observer.disconnect();
  }, [last?.key]);

  return {
    scrolled,
    moreBelow,
    onScroll() {
      const top = scroller.current?.scrollTop ?? 0;
      setScrolled(top > 0);
      if (cursor && top < EARLIER_WITHIN_PX) {
        loadEarlier();
      }
    },
    toEnd() {
      end.current?.scrollIntoView({ block: 'end' });
    },
  };
}
