/** What the saga of the versions' test takes: all that its steps ask for. */
export interface Input {
  memberId: string;
  loginId: string;
  displayName: string;
  email: string;
  passwordRef: string;
  roleIds: string[];
}

export const INPUT: Input = {
  memberId: 'm',
  loginId: 'taro',
  displayName: 'Taro',
  email: 'a@b.c',
  passwordRef: 'ref',
  roleIds: [],
};
