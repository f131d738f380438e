/** How long "Copied" stands where the name of the button stood. */
export const COPIED_MS = 2_000;

/** False where the browser or the page denies the clipboard. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
