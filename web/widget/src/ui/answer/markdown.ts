// Agent text → DOM nodes. The agent is not trusted: what is not built here does not exist. No HTML is parsed, no
// image is fetched, and a link leads only to the schemes below.

import * as smd from 'streaming-markdown';
import { isSafeLink } from './link';
import { alignFigures, frameTable } from './table';

/** Words and controls that the nodes need from outside. */
export interface MarkdownParts {
  tableLabel: string;
  /** The button that copies a code block. */
  copyButton(textOf: () => string): HTMLElement;
}

export interface Markdown {
  write(delta: string): void;
  end(): void;
}

const TAGS: Partial<Record<smd.Token, string>> = {
  [smd.PARAGRAPH]: 'p',
  // One size and one level: the agent's outline is not the page's.
  [smd.HEADING_1]: 'h3',
  [smd.HEADING_2]: 'h3',
  [smd.HEADING_3]: 'h3',
  [smd.HEADING_4]: 'h3',
  [smd.HEADING_5]: 'h3',
  [smd.HEADING_6]: 'h3',
  [smd.BLOCKQUOTE]: 'blockquote',
  [smd.LINE_BREAK]: 'br',
  [smd.RULE]: 'hr',
  [smd.ITALIC_AST]: 'em',
  [smd.ITALIC_UND]: 'em',
  [smd.STRONG_AST]: 'strong',
  [smd.STRONG_UND]: 'strong',
  [smd.STRIKE]: 's',
  [smd.CODE_INLINE]: 'code',
  [smd.LINK]: 'a',
  [smd.RAW_URL]: 'a',
  [smd.LIST_UNORDERED]: 'ul',
  [smd.LIST_ORDERED]: 'ol',
  [smd.LIST_ITEM]: 'li',
  [smd.TABLE]: 'table',
  [smd.TABLE_ROW]: 'tr',
};

/** Renders into `root` and keeps `caret`, if there is one, behind the last character. */
export function createMarkdown(root: HTMLElement, parts: MarkdownParts, caret?: HTMLElement): Markdown {
  /** The nodes that are still being written, innermost last. */
  const open: HTMLElement[] = [root];
  const innermost = () => open[open.length - 1] ?? root;

  const parser = smd.parser({
    data: undefined,
    add_token(_: undefined, token: smd.Token) {
      const { outer, inner } = build(token, innermost(), parts);
      innermost().append(outer);
      open.push(inner);
    },
    end_token() {
      const closed = open.length > 1 ? open.pop() : undefined;
      if (closed instanceof HTMLTableRowElement) {
        alignFigures(closed);
      }
    },
    add_text: (_: undefined, text: string) => innermost().append(text),
    set_attr: (_: undefined, attribute: smd.Attr, value: string) =>
      setAttribute(innermost(), attribute, value),
  });

  return {
    write(delta) {
      smd.parser_write(parser, delta);
      if (caret) {
        // Between the cells of a table there is no place for it.
        (/^(TABLE|TR)$/.test(innermost().tagName) ? root : innermost()).append(caret);
      }
    },
    end() {
      smd.parser_end(parser);
      caret?.remove();
    },
  };
}

/** The node for a token, and the node inside it that takes its content. */
function build(
  token: smd.Token,
  parent: HTMLElement,
  parts: MarkdownParts,
): Record<'outer' | 'inner', HTMLElement> {
  switch (token) {
    case smd.CODE_BLOCK:
    case smd.CODE_FENCE: {
      const [outer, scroll, inner] = [make('div'), make('pre'), make('code')];
      outer.className = 'code';
      scroll.tabIndex = 0;
      scroll.append(inner);
      outer.append(
        scroll,
        parts.copyButton(() => inner.textContent ?? ''),
      );
      return { outer, inner };
    }
    case smd.TABLE: {
      const inner = make('table');
      return { outer: frameTable(inner, parts.tableLabel), inner };
    }
    case smd.TABLE_CELL: {
      const isHead = parent.parentElement?.firstElementChild === parent;
      const cell = make(isHead ? 'th' : 'td');
      if (isHead) {
        cell.setAttribute('scope', 'col');
      }
      return { outer: cell, inner: cell };
    }
    case smd.CHECKBOX: {
      const box = make('span');
      box.textContent = '☐ ';
      return { outer: box, inner: box };
    }
    default: {
      // An image is its alternative text, and an equation its source.
      const node = make(TAGS[token] ?? 'span');
      return { outer: node, inner: node };
    }
  }
}

function setAttribute(node: HTMLElement, attribute: smd.Attr, value: string): void {
  if (attribute === smd.HREF && node instanceof HTMLAnchorElement) {
    link(node, value);
  } else if (attribute === smd.START && node instanceof HTMLOListElement) {
    node.start = Number.parseInt(value, 10) || 1;
  } else if (attribute === smd.CHECKED) {
    node.textContent = '☑ ';
  }
}

function make(tag: string): HTMLElement {
  return document.createElement(tag);
}

function link(anchor: HTMLAnchorElement, target: string): void {
  if (isSafeLink(target)) {
    anchor.href = target;
    anchor.target = '_blank';
    anchor.rel = 'noopener noreferrer';
  }
}
