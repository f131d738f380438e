import type { Turn, Waiting } from '../../state/conversation';
import { Actions, AnswerText, Status } from '../answer/answer';
import { Attachments } from '../answer/attachments';
import { Icon } from '../icons';
import { Suggestions } from '../opening/suggestions';
import { useWords } from '../words';
import { memo } from './memo';
import { TurnNotice } from './notice';
import { WaitingMessages } from './waiting';

interface Props {
  turn: Turn;
  isLast: boolean;
  /** What waits for the end of this turn. */
  queue: readonly Waiting[];
  onRetry: (turn: Turn) => void;
  onAsk: (question: string) => void;
  onCancel: (key: string) => void;
  onSettled: (turn: Turn, text: string) => void;
}

export const TurnView = memo(function TurnView(props: Props) {
  const { turn, isLast, queue, onRetry, onAsk, onCancel, onSettled } = props;
  const { say } = useWords();
  const { state, text, waiting } = turn;
  const answering = state === 'answering';
  const unsent = answering && waiting && !turn.turnId;
  return (
    <section class="turn" data-live={turn.live && isLast} data-last={isLast}>
      {turn.question && (
        <div class="question-row">
          <h2 class="hidden">{say('you')}</h2>
          <p class="question" data-unsent={unsent} dir="auto">
            {turn.question}
          </p>
          {unsent && (
            <p class="unsent">
              <Icon name="clock" size={16} />
              {say('waiting')}
            </p>
          )}
        </div>
      )}
      {!unsent && (
        <div class="answer" aria-busy={answering}>
          <h2 class="hidden">{say('answer')}</h2>
          {(text || !answering) && <AnswerText turn={turn} onSettled={(plain) => onSettled(turn, plain)} />}
          {answering && !text && <Status turn={turn} />}
          {turn.attachments.length > 0 && <Attachments items={turn.attachments} />}
          {state === 'stopped' && <p class="stopped">{say('stopped')}</p>}
          {(state === 'failed' || state === 'interrupted' || state === 'refused') && (
            <TurnNotice turn={turn} onRetry={isLast && turn.question ? () => onRetry(turn) : undefined} />
          )}
          {(state === 'complete' || state === 'stopped') && text && <Actions turn={turn} />}
        </div>
      )}
      {isLast && state === 'complete' && queue.length === 0 && turn.suggestions.length > 0 && (
        <Suggestions
          items={turn.suggestions.map((text) => ({ text, value: text }))}
          kind="follow-up"
          onAsk={onAsk}
        />
      )}
      {queue.length > 0 && <WaitingMessages messages={queue} onCancel={onCancel} />}
    </section>
  );
});
