// What stood in the last answer, one entry per change of the document: proof that an answer came in pieces.

export async function watchText(chat) {
  const frame = await chat.innerFrame();
  await frame.evaluate(() => {
    const texts = [];
    const note = () => {
      const text = [...document.querySelectorAll('.answer-text')].at(-1)?.textContent ?? '';
      if (text && text !== texts.at(-1)) {
        texts.push(text);
      }
    };
    new MutationObserver(note).observe(document.body, {
      subtree: true,
      childList: true,
      characterData: true,
    });
    window.answerTexts = texts;
  });
  return { states: () => frame.evaluate(() => window.answerTexts) };
}
