// The chat as a visitor meets it. The only place that knows the names of its parts.

import { until } from './until.js';

const ANSWER_LIMIT_MS = 20_000;

export class Chat {
  constructor(page) {
    this.page = page;
    this.root = page.locator('#chat-widget-root');
    this.launcher = this.root.locator('button');
    this.iframe = this.root.locator('iframe');
    this.frame = page.frameLocator('#chat-widget-root iframe');
    this.panel = partsOf(this.frame);
  }

  /** The frame itself, for what only scripts can see. */
  async innerFrame() {
    const handle = await this.iframe.elementHandle();
    return handle.contentFrame();
  }

  async open() {
    await this.launcher.click();
    await this.panel.field.waitFor();
  }

  async ask(question) {
    await this.panel.field.fill(question);
    await this.panel.field.press('Enter');
  }

  /** Asks, and waits for the answer's end, whatever it is. */
  async askAndWait(question) {
    const before = await this.panel.turns.count();
    await this.ask(question);
    await this.panel.turns.nth(before).waitFor();
    await this.settled();
  }

  async settled() {
    await until(
      'the answer ends',
      async () => (await this.panel.busy.count()) === 0 && (await this.panel.turns.count()) > 0,
      ANSWER_LIMIT_MS,
    );
  }

  texts = (locator) => locator.allInnerTexts();
}

/** The parts of the panel, in a frame of the loader, in a bare one, or as a page of its own. */
export function partsOf(frame) {
  return {
    field: frame.locator('.composer textarea'),
    send: frame.locator('.composer .send'),
    title: frame.locator('.header .title'),
    newConversation: frame.getByRole('button', { name: /New conversation|Новый диалог/ }),
    close: frame.locator('.header .close'),
    greeting: frame.locator('.greeting'),
    disclosure: frame.locator('.disclosure'),
    turns: frame.locator('.turn'),
    questions: frame.locator('.question'),
    answers: frame.locator('.answer-text'),
    busy: frame.locator('.answer[aria-busy=true], [data-unsent=true]'),
    connection: frame.locator('.connection-line'),
    offline: frame.locator('.connection-line[data-state=offline]'),
    spoken: frame.locator('.connection [role=status]'),
    waiting: frame.locator('.waiting .question'),
    cancel: frame.locator('.unsent button'),
    stop: frame.locator('.composer .stop'),
    unsent: frame.locator('.unsent'),
    caret: frame.locator('.caret'),
    notice: frame.locator('.notice'),
    noticeTitle: frame.locator('.notice-title'),
    retry: frame.locator('.notice button'),
    announcement: frame.locator('.conversation > [role=status]'),
    actions: frame.locator('.actions'),
    stopped: frame.locator('.stopped'),
  };
}
