export interface RegisterMemberInput {
  memberId: string;
  loginId: string;
  displayName: string;
  email: string;
  /** Where Auth keeps the password's hash (auth.StagePassword). */
  passwordRef: string;
  /** Default: the built-in role `member`. */
  roleIds?: string[];
}

export declare function registerMember(input: RegisterMemberInput): Promise<{ memberId: string }>;
