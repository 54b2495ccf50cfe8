#pragma once

// The parameters and results of the ledger's RPC methods, JSON objects (net/rpc.hpp). Digests and ids are
// hex, bytes base64, unknown fields ignored; every list is bounded by the body's 4 MiB and the limits below.
//
//   purpose "ledger", members only (a former member: ledger.follow, up to the block that removed it, at any
//   member)
//     ledger.follow     FollowRequest -> FollowNews     held until there is news; the push
//     ledger.submit     SubmitRequest -> {"height"}     once it is in a durable block
//     ledger.ask        AskRequest -> AskResult         once a quorum has answered
//     ledger.answer     AskRequest -> AskResult         any member: its own answer, at once
//     ledger.head       HeadExchange -> HeadExchange    two followers compare what the server told them
//     ledger.propose    ProposeRequest -> Proposals     one; merges signatures, submits when they are enough
//     ledger.proposals  {} -> Proposals
//   purpose "join", whoever holds an invitation
//     join.genesis      {"invitation": id} -> {"genesis": base64}
//     join.request      JoinRequest -> JoinAnswer       held while approvals are missing

#include <optional>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "ledger/block.hpp"
#include "ledger/record.hpp"

namespace sealift::domain {

constexpr std::size_t kStepsMax = 1024;
constexpr std::size_t kStepsBytesMax = 2 * 1024 * 1024 + 256 * 1024;  // blocks, before base64
constexpr std::size_t kAsksMax = 64;
constexpr std::size_t kNonceBytesMax = 64;
constexpr std::size_t kAnswerBytesMax = 512;
constexpr std::size_t kProposalsMax = 64;
constexpr std::uint64_t kWaitMsMax = 60'000;  // longest that a caller may have a request held

struct AskAnswer {
  std::uint64_t ask = 0;
  Bytes answer;  // answer.hpp
};
struct FollowRequest {
  ledger::DomainId domain;
  std::uint64_t height = 0;  // of the last block here
  crypto::Digest tip;        // its hash; height 0: the domain's id
  std::uint64_t final_height = 0;
  std::uint64_t term = 0;  // highest that was promised or seen
  std::string note;        // our newest checkpoint with our cosignature; empty: none
  bool first = false;      // of a connection: answered at once, with or without news
  std::uint64_t asks_seen = 0;
  std::uint64_t owners_seen = 0;  // of an expelled host: how many new owners it knows
  std::vector<AskAnswer> answers;
};
Json to_json(const FollowRequest& request);
Result<FollowRequest> parse_follow_request(const Json& params);

// In order: a block to accept, or a checkpoint whose signatures make blocks final.
struct Step {
  std::optional<ledger::Block> block;
  std::string note;
};
struct Ask {
  std::uint64_t ask = 0;
  Bytes nonce;
};
struct FollowNews {
  std::vector<Step> steps;
  std::uint64_t tip = 0;     // height of the server's last block
  std::uint64_t now_ms = 0;  // the server's clock, POSIX milliseconds
  std::vector<Ask> asks;
  std::uint64_t removed_height = 0;  // not 0: the asker is no member from the block after that one on
  std::vector<Bytes> recoveries;     // vm.recover envelopes of VMs that were the removed host's
};
Json to_json(const FollowNews& news);
Result<FollowNews> parse_follow_news(const Json& result);

struct SubmitRequest {
  Bytes envelope;
  std::uint64_t wait_ms = 0;
};
Json to_json(const SubmitRequest& request);
Result<SubmitRequest> parse_submit_request(const Json& params);

struct AskRequest {
  Bytes nonce;
  Bytes answer;  // the asker's own
  std::uint64_t wait_ms = 0;
};
Json to_json(const AskRequest& request);
Result<AskRequest> parse_ask_request(const Json& params);

struct AskResult {
  std::vector<Bytes> answers;
};
Json to_json(const AskResult& result);
Result<AskResult> parse_ask_result(const Json& result);

struct HeadExchange {
  std::string note;  // empty: no block yet
};
Json to_json(const HeadExchange& head);
Result<HeadExchange> parse_head_exchange(const Json& value);

struct ProposeRequest {
  Bytes envelope;
};
Json to_json(const ProposeRequest& request);
Result<ProposeRequest> parse_propose_request(const Json& params);

struct ProposalEntry {
  Bytes envelope;
  bool submitted = false;
};
Json to_json(const std::vector<ProposalEntry>& proposals);
Result<std::vector<ProposalEntry>> parse_proposals(const Json& result);

struct JoinRequest {
  std::string invitation;
  crypto::Digest proof;  // join_proof()
  ledger::HostInfo host;
  std::string old_log;
};
Json to_json(const JoinRequest& request);
Result<JoinRequest> parse_join_request(const Json& params);

struct JoinAnswer {
  bool member = false;
  std::string text;  // while pending: who has signed, how many are needed
  // Once a member: where the domain is served.
  std::string server_key;  // verifier key
  std::vector<std::string> server_endpoints;
};
Json to_json(const JoinAnswer& answer);
Result<JoinAnswer> parse_join_answer(const Json& result);

}  // namespace sealift::domain
