// What happened and what to do: one line, one button.

import { useEffect, useState } from 'preact/hooks';
import type { TextKey } from '../../i18n/en';
import type { Failure, Turn } from '../../state/conversation';
import { Icon, type IconName } from '../icons';
import { useWords } from '../words';
import './notice.css';

interface Story {
  title: TextKey;
  line: TextKey;
  /** Red only for what failed; a wait is a clock. */
  icon: Extract<IconName, 'alert' | 'clock' | 'offline'>;
  final?: boolean;
}

const STORIES: Record<string, Story> = {
  rate_limited: { title: 'limit', line: 'limit_line', icon: 'clock' },
  busy: { title: 'busy', line: 'busy_line', icon: 'clock' },
  budget_exhausted: { title: 'budget', line: 'budget_line', icon: 'clock' },
  network: { title: 'network', line: 'network_line', icon: 'offline' },
  session_invalid: { title: 'expired', line: 'expired_line', icon: 'alert' },
  origin_denied: { title: 'denied', line: 'denied_line', icon: 'alert', final: true },
  payload_too_large: { title: 'large', line: 'large_line', icon: 'alert', final: true },
  storage_unavailable: { title: 'unavailable', line: 'unavailable_line', icon: 'alert' },
  shutting_down: { title: 'unavailable', line: 'unavailable_line', icon: 'alert' },
  unavailable: { title: 'unavailable', line: 'unavailable_line', icon: 'alert' },
};
const FAILED: Story = { title: 'failed', line: 'failed_line', icon: 'alert' };
const INTERRUPTED: Story = { title: 'interrupted', line: 'interrupted_line', icon: 'alert' };
const HISTORY: Story = { title: 'history_failed', line: 'history_failed_line', icon: 'alert' };

export function TurnNotice({ turn, onRetry }: { turn: Turn; onRetry: (() => void) | undefined }) {
  const story =
    turn.state === 'interrupted' ? INTERRUPTED : ((turn.failure && STORIES[turn.failure.code]) ?? FAILED);
  return <Notice story={story} failure={turn.failure} announced={turn.live} onRetry={onRetry} />;
}

export function HistoryNotice({ failure, onRetry }: { failure: Failure; onRetry: () => void }) {
  return (
    <Notice story={{ ...HISTORY, ...STORIES[failure.code] }} failure={failure} announced onRetry={onRetry} />
  );
}

function Notice(props: {
  story: Story;
  failure: Failure | undefined;
  announced: boolean;
  onRetry: (() => void) | undefined;
}) {
  const { say } = useWords();
  const { story, failure, announced, onRetry } = props;
  const seconds = useSecondsUntil(failure?.retryAt);
  const time = `${Math.floor(seconds / 60)}:${`${seconds % 60}`.padStart(2, '0')}`;
  return (
    <div class="notice" data-icon={story.icon}>
      <Icon name={story.icon} size={20} />
      <div>
        {/* The button stays outside: its countdown is not to be read out every second. */}
        <div role={announced ? 'alert' : undefined}>
          <p class="notice-title">{say(story.title)}</p>
          <p class="notice-line">{say(story.line)}</p>
        </div>
        {onRetry && !story.final && (
          <button
            type="button"
            class="button"
            aria-disabled={seconds > 0}
            onClick={() => seconds > 0 || onRetry()}
          >
            <Icon name={seconds > 0 ? 'clock' : 'retry'} size={16} />
            {seconds > 0 ? say('try_again_in', { time }) : say('try_again')}
          </button>
        )}
      </div>
    </div>
  );
}

function useSecondsUntil(moment: number | undefined): number {
  const left = () => Math.max(0, Math.ceil(((moment ?? 0) - Date.now()) / 1000));
  const [seconds, setSeconds] = useState(left);
  useEffect(() => {
    setSeconds(left());
    const timer = moment ? setInterval(() => setSeconds(left()), 500) : 0;
    return () => clearInterval(timer);
  }, [moment]);
  return seconds;
}
