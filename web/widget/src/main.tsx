// The widget's document starts here: configuration in, panel out.

import type { WidgetConfig } from '@chat-proxy/protocol/api';
import { render } from 'preact';
import { createSession } from './api/session';
import { createTurns } from './api/turns';
import { createChat } from './chat';
import { CONFIG_ID, readPageOptions } from './config';
import { bareHost } from './host/bare';
import { loaderHost } from './host/loader';
import { chooseLocale, createWords, dictionaryOf } from './i18n/words';
import { applyTheme } from './theme/apply';
import './theme/tokens.css';
import './theme/base.css';
import { loadRenderer } from './ui/answer/renderer';
import { Panel } from './ui/panel/panel';
import { WordsContext } from './ui/words';

const given: WidgetConfig = JSON.parse(document.getElementById(CONFIG_ID)?.textContent ?? '');
const page = readPageOptions(location.hash);
const config = { ...given, title: page.title ?? given.title };
const locale = chooseLocale([page.locale, config.locale], [page.language, ...navigator.languages]);
document.documentElement.lang = locale;
document.title = config.title;
applyTheme(document.documentElement, config.theme, page.theme);
void dictionaryOf(locale).then((dictionary) => {
  const words = createWords(locale, dictionary, config.texts);
  document.documentElement.dir = words.direction;

  const host =
    page.origin && parent !== window ? loaderHost(window, page.origin) : bareHost(window, config.ticket);
  host.onState(({ full }) => document.documentElement.toggleAttribute('data-full', full));
  const session = createSession(host);
  const chat = createChat(session, createTurns(session, host), host, { prepare: loadRenderer });

  render(
    <WordsContext.Provider value={words}>
      <Panel
        chat={chat}
        host={host}
        config={config}
        greeting={page.welcomeMessage ?? (config.greeting || words.say('greeting'))}
        placeholder={page.placeholder ?? words.say('placeholder')}
      />
    </WordsContext.Provider>,
    document.body,
  );
});
