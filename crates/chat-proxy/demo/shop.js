// The demo shop: its eight pieces, and the steps behind "Connect your n8n". The chat is not here; a shop needs
// only the one script tag at the end of each page.

const pieces = {
  linn: ['Linn pendant', 129, 'A dome of spun steel that throws a wide, soft light over a table.', { Height: '28 cm', Lamp: 'E27, up to 40 W', Stock: 'In stock' }],
  jay: ['Jay table lamp', 89, 'A linen shade on turned walnut. The weakest of three steps is for reading at night.', { Height: '41 cm', Lamp: 'LED, 9 W', Stock: 'In stock' }],
  clay: ['Clay vase', 46, 'Thrown by hand, glazed inside only. Each one differs a little.', { Height: '24 cm', Material: 'Stoneware', Stock: 'In stock' }],
  mirror: ['Round mirror', 115, 'A brushed brass frame and a hidden hook.', { Diameter: '60 cm', Weight: '4.2 kg', Stock: 'In stock' }],
  stool: ['Ash stool', 148, 'Oiled ash. It carries a person or a stack of books.', { Height: '45 cm', Carries: '120 kg', Stock: 'In stock' }],
  bowl: ['Tide bowl', 38, 'Deep blue outside, darker inside, safe in the dishwasher.', { Diameter: '26 cm', Material: 'Porcelain', Stock: 'In stock' }],
  reed: ['Reed floor lamp', 210, 'Stands on the floor and throws its light upwards, which makes a low room look higher.', { Height: '152 cm', Lamp: 'LED, 14 W', Weight: '6.4 kg' }],
  sage: ['Sage jar', 24, 'A jar with a cork-lined lid, for tea, salt or buttons.', { Volume: '0.8 l', Material: 'Stoneware', Stock: 'In stock' }],
};

function showProduct(product) {
  const wanted = new URLSearchParams(location.search).get('piece');
  const id = Object.hasOwn(pieces, wanted ?? '') ? wanted : 'reed';
  const [name, price, story, facts] = pieces[id];
  const find = (selector) => product.querySelector(selector);
  document.title = `${name} · Halma`;
  find('use').setAttribute('href', `pieces.svg#${id}`);
  find('h1').textContent = name;
  find('.price').textContent = `€\u00a0${price}`;
  find('.story').textContent = story;
  for (const [fact, value] of Object.entries(facts)) {
    const [term, description] = [document.createElement('dt'), document.createElement('dd')];
    term.textContent = fact;
    description.textContent = value;
    find('dl').append(term, description);
  }
}

function connectSteps(connect) {
  const button = connect.querySelector('.connect-button');
  const steps = connect.querySelector('.connect-steps');
  const show = (open) => {
    steps.hidden = !open;
    button.setAttribute('aria-expanded', `${open}`);
  };
  button.addEventListener('click', () => show(steps.hidden));
  document.addEventListener('click', (event) => connect.contains(event.target) || show(false));
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && !steps.hidden) {
      show(false);
      button.focus();
    }
  });
  const copy = connect.querySelector('.copy');
  copy.addEventListener('click', async () => {
    await navigator.clipboard.writeText(connect.querySelector('code').textContent);
    copy.setAttribute('aria-label', 'Copied');
    setTimeout(() => copy.setAttribute('aria-label', 'Copy'), 2000);
  });
}

connectSteps(document.querySelector('.connect'));
const product = document.querySelector('.product');
if (product) {
  showProduct(product);
}
