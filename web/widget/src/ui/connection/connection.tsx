import { useEffect, useState } from 'preact/hooks';
import type { TextKey } from '../../i18n/en';
import { Icon, type IconName } from '../icons';
import { useWords } from '../words';
import './connection.css';

/** How long it is said that the connection is back. */
const BACK_MS = 4_000;
/** What is over sooner is shown, but not read out. */
const SPOKEN_AFTER_MS = 2_000;

type State = Extract<TextKey, 'offline' | 'reconnecting' | 'back'>;

const ICONS: Record<State, IconName> = { offline: 'offline', reconnecting: 'retry', back: 'check' };

/** One line above the composer, as long as there is something to say of the connection. */
export function ConnectionLine({ online, reconnecting }: { online: boolean; reconnecting: boolean }) {
  const { say } = useWords();
  const lost = online ? (reconnecting ? 'reconnecting' : undefined) : 'offline';
  const [shown, setShown] = useState<State | undefined>(lost);
  const [spoken, setSpoken] = useState<State | undefined>();

  useEffect(() => {
    setShown((before) => lost ?? (before ? 'back' : undefined));
    const timer = lost ? setTimeout(() => setSpoken(lost), SPOKEN_AFTER_MS) : 0;
    return () => clearTimeout(timer);
  }, [lost]);
  useEffect(() => {
    if (shown !== 'back') {
      return;
    }
    setSpoken((before) => before && 'back');
    const timer = setTimeout(() => {
      setShown(undefined);
      setSpoken(undefined);
    }, BACK_MS);
    return () => clearTimeout(timer);
  }, [shown]);

  return (
    <div class="connection">
      {shown && (
        // Read out by the region below, and only if it lasts.
        <p class="connection-line" data-state={shown} aria-hidden="true">
          <Icon name={ICONS[shown]} size={20} />
          {say(shown)}
        </p>
      )}
      <p class="hidden" role="status">
        {spoken && say(spoken)}
      </p>
    </div>
  );
}
