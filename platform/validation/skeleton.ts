import unhomoglyph from 'unhomoglyph';

/** Where a letter is invisible, it only shapes the ones beside it. */
const INVISIBLE = /\p{DI}/gv;
const SPACES = /\s+/g;

/**
 * What names have in common that look alike: the skeleton of UTS #39, in which each character stands for all that look like it
 * (Unicode 13). Upper and lower case are the same in it, so `i` and `l` are, too, as a capital I looks like both.
 * It is for comparing only: nobody reads it.
 *
 * @param name a name that is kept, so of a bounded length
 */
export function skeleton(name: string): string {
  const plain = name.normalize('NFKD').replace(INVISIBLE, '').replace(SPACES, ' ').trim();
  // Small letters look like others than capital ones, so both are brought to what they look like.
  const lookingLike = (text: string): string => unhomoglyph(text).normalize('NFD');
  return lookingLike(lookingLike(plain).toLowerCase()).toLowerCase().replaceAll('i', 'l');
}
