import { Component, type ComponentType, h } from 'preact';

/** Renders again only when one of the given turn's values has changed: an answer grows, the others stand. */
export function memo<Props extends { turn: object; isLast: boolean }>(View: ComponentType<Props>) {
  return class Memo extends Component<Props> {
    override shouldComponentUpdate(next: Readonly<Props>) {
      return next.turn !== this.props.turn || next.isLast !== this.props.isLast;
    }
    override render(props: Props) {
      return h(View, props);
    }
  };
}
