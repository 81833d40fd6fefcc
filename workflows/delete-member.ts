export interface DeleteMemberInput {
  memberId: string;
  /** The version the caller saw (If-Match); absent: any. */
  expectedVersion?: number;
}

export declare function deleteMember(input: DeleteMemberInput): Promise<{ memberId: string }>;
