export interface UpdateMemberInput {
  memberId: string;
  /** Absent fields stay as they are. */
  changes: { loginId?: string; displayName?: string; email?: string };
  /** The version the caller saw (If-Match); absent: any. */
  expectedVersion?: number;
}

export declare function updateMember(input: UpdateMemberInput): Promise<{ memberId: string }>;
