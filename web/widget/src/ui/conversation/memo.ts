import { Component, type ComponentType, h } from 'preact';

/** Renders again only when something of the turn has changed: an answer grows, the others stand. */
export function memo<Props extends { turn: object; isLast: boolean; queue: object }>(
  View: ComponentType<Props>,
) {
  return class Memo extends Component<Props> {
    override shouldComponentUpdate(next: Readonly<Props>) {
      const { turn, isLast, queue } = this.props;
      return next.turn !== turn || next.isLast !== isLast || next.queue !== queue;
    }
    override render(props: Props) {
      return h(View, props);
    }
  };
}
