#include "domain/messages.hpp"

namespace sealift::domain {
namespace {

constexpr std::size_t kNoteTextMax = 64 * 1024;

Result<Bytes> bytes_field(const Json& object, std::string_view name, std::size_t bytes_max) {
  const std::string text = SEALIFT_TRY(json::text(object, name));
  if (text.size() > bytes_max / 3 * 4 + 8) {
    return fail(Code::kInvalid, "field '{}' is longer than {} bytes", name, bytes_max);
  }
  return unbase64(text);
}

Result<std::string> text_field(const Json& object, std::string_view name, std::size_t bytes_max) {
  std::string text = SEALIFT_TRY(json::text(object, name));
  if (text.size() > bytes_max)
    return fail(Code::kInvalid, "field '{}' is longer than {} bytes", name, bytes_max);
  return text;
}

Result<Json> list_field(const Json& object, std::string_view name, std::size_t items_max) {
  Json list = SEALIFT_TRY(json::array(object, name));
  if (list.size() > items_max)
    return fail(Code::kInvalid, "field '{}' has more than {} items", name, items_max);
  return list;
}

Result<std::uint64_t> wait_field(const Json& object) {
  const std::uint64_t wait = SEALIFT_TRY(json::number(object, "wait_ms"));
  return std::min(wait, kWaitMsMax);
}

// Once per message: the json:: readers expect an object.
Status expect_object(const Json& value) {
  if (!value.is_object()) return fail(Code::kInvalid, "a message that is not a JSON object");
  return {};
}

Result<Step> parse_step(const Json& item) {
  SEALIFT_TRY_STATUS(expect_object(item));
  Step step;
  if (json::has(item, "block")) {
    const Bytes bytes = SEALIFT_TRY(bytes_field(item, "block", kStepsBytesMax));
    step.block = SEALIFT_TRY(ledger::parse_block(bytes));
  } else {
    step.note = SEALIFT_TRY(text_field(item, "note", kNoteTextMax));
  }
  return step;
}

}  // namespace

Json to_json(const FollowRequest& request) {
  Json answers = Json::array();
  for (const AskAnswer& answer : request.answers) {
    answers.push_back({{"ask", answer.ask}, {"answer", base64(answer.answer)}});
  }
  return {{"domain", request.domain.hex()},
          {"height", request.height},
          {"tip", request.tip.hex()},
          {"final", request.final_height},
          {"term", request.term},
          {"note", request.note},
          {"first", request.first},
          {"asks_seen", request.asks_seen},
          {"owners_seen", request.owners_seen},
          {"answers", std::move(answers)}};
}

Result<FollowRequest> parse_follow_request(const Json& params) {
  SEALIFT_TRY_STATUS(expect_object(params));
  FollowRequest request;
  request.domain = SEALIFT_TRY(json::id<ledger::DomainId>(params, "domain"));
  request.height = SEALIFT_TRY(json::number(params, "height"));
  request.tip = SEALIFT_TRY(json::id<crypto::Digest>(params, "tip"));
  request.final_height = SEALIFT_TRY(json::number(params, "final"));
  request.term = SEALIFT_TRY(json::number(params, "term"));
  request.note = SEALIFT_TRY(text_field(params, "note", kNoteTextMax));
  request.first = SEALIFT_TRY(json::boolean(params, "first"));
  request.asks_seen = SEALIFT_TRY(json::number(params, "asks_seen"));
  request.owners_seen = SEALIFT_TRY(json::number(params, "owners_seen"));
  for (const Json& item : SEALIFT_TRY(list_field(params, "answers", kAsksMax))) {
    SEALIFT_TRY_STATUS(expect_object(item));
    AskAnswer answer;
    answer.ask = SEALIFT_TRY(json::number(item, "ask"));
    answer.answer = SEALIFT_TRY(bytes_field(item, "answer", kAnswerBytesMax));
    request.answers.push_back(std::move(answer));
  }
  return request;
}

Json to_json(const FollowNews& news) {
  Json steps = Json::array();
  for (const Step& step : news.steps) {
    if (step.block) {
      steps.push_back({{"block", base64(ledger::encode_block(*step.block))}});
    } else {
      steps.push_back({{"note", step.note}});
    }
  }
  Json asks = Json::array();
  for (const Ask& ask : news.asks) asks.push_back({{"ask", ask.ask}, {"nonce", base64(ask.nonce)}});
  Json recoveries = Json::array();
  for (const Bytes& envelope : news.recoveries) recoveries.push_back(base64(envelope));
  return {{"steps", std::move(steps)},      {"tip", news.tip},
          {"now_ms", news.now_ms},          {"asks", std::move(asks)},
          {"removed", news.removed_height}, {"recoveries", std::move(recoveries)}};
}

Result<FollowNews> parse_follow_news(const Json& result) {
  SEALIFT_TRY_STATUS(expect_object(result));
  FollowNews news;
  for (const Json& item : SEALIFT_TRY(list_field(result, "steps", kStepsMax))) {
    news.steps.push_back(SEALIFT_TRY(parse_step(item)));
  }
  news.tip = SEALIFT_TRY(json::number(result, "tip"));
  news.now_ms = SEALIFT_TRY(json::number(result, "now_ms"));
  for (const Json& item : SEALIFT_TRY(list_field(result, "asks", kAsksMax))) {
    SEALIFT_TRY_STATUS(expect_object(item));
    Ask ask;
    ask.ask = SEALIFT_TRY(json::number(item, "ask"));
    ask.nonce = SEALIFT_TRY(bytes_field(item, "nonce", kNonceBytesMax));
    news.asks.push_back(std::move(ask));
  }
  news.removed_height = SEALIFT_TRY(json::number(result, "removed"));
  for (const Json& item : SEALIFT_TRY(list_field(result, "recoveries", kStepsMax))) {
    if (!item.is_string()) return fail(Code::kInvalid, "field 'recoveries' holds something that is no text");
    news.recoveries.push_back(SEALIFT_TRY(unbase64(item.get_ref<const std::string&>())));
  }
  return news;
}

Json to_json(const SubmitRequest& request) {
  return {{"envelope", base64(request.envelope)}, {"wait_ms", request.wait_ms}};
}

Result<SubmitRequest> parse_submit_request(const Json& params) {
  SEALIFT_TRY_STATUS(expect_object(params));
  SubmitRequest request;
  request.envelope = SEALIFT_TRY(bytes_field(params, "envelope", ledger::kRecordBytesMax));
  request.wait_ms = SEALIFT_TRY(wait_field(params));
  return request;
}

Json to_json(const AskRequest& request) {
  return {{"nonce", base64(request.nonce)}, {"answer", base64(request.answer)}, {"wait_ms", request.wait_ms}};
}

Result<AskRequest> parse_ask_request(const Json& params) {
  SEALIFT_TRY_STATUS(expect_object(params));
  AskRequest request;
  request.nonce = SEALIFT_TRY(bytes_field(params, "nonce", kNonceBytesMax));
  request.answer = SEALIFT_TRY(bytes_field(params, "answer", kAnswerBytesMax));
  request.wait_ms = SEALIFT_TRY(wait_field(params));
  return request;
}

Json to_json(const AskResult& result) {
  Json answers = Json::array();
  for (const Bytes& answer : result.answers) answers.push_back(base64(answer));
  return {{"answers", std::move(answers)}};
}

Result<AskResult> parse_ask_result(const Json& result) {
  SEALIFT_TRY_STATUS(expect_object(result));
  AskResult parsed;
  for (const Json& item : SEALIFT_TRY(list_field(result, "answers", ledger::kMembersMax))) {
    if (!item.is_string()) return fail(Code::kInvalid, "field 'answers' holds something that is no text");
    parsed.answers.push_back(SEALIFT_TRY(unbase64(item.get_ref<const std::string&>())));
  }
  return parsed;
}

Json to_json(const HeadExchange& head) {
  return {{"note", head.note}};
}

Result<HeadExchange> parse_head_exchange(const Json& value) {
  SEALIFT_TRY_STATUS(expect_object(value));
  return HeadExchange{SEALIFT_TRY(text_field(value, "note", kNoteTextMax))};
}

Json to_json(const ProposeRequest& request) {
  return {{"envelope", base64(request.envelope)}};
}

Result<ProposeRequest> parse_propose_request(const Json& params) {
  SEALIFT_TRY_STATUS(expect_object(params));
  return ProposeRequest{SEALIFT_TRY(bytes_field(params, "envelope", ledger::kRecordBytesMax))};
}

Json to_json(const std::vector<ProposalEntry>& proposals) {
  Json list = Json::array();
  for (const ProposalEntry& entry : proposals) {
    list.push_back({{"envelope", base64(entry.envelope)}, {"submitted", entry.submitted}});
  }
  return {{"proposals", std::move(list)}};
}

Result<std::vector<ProposalEntry>> parse_proposals(const Json& result) {
  SEALIFT_TRY_STATUS(expect_object(result));
  std::vector<ProposalEntry> proposals;
  for (const Json& item : SEALIFT_TRY(list_field(result, "proposals", kProposalsMax))) {
    SEALIFT_TRY_STATUS(expect_object(item));
    ProposalEntry entry;
    entry.envelope = SEALIFT_TRY(bytes_field(item, "envelope", ledger::kRecordBytesMax));
    entry.submitted = SEALIFT_TRY(json::boolean(item, "submitted"));
    proposals.push_back(std::move(entry));
  }
  return proposals;
}

}  // namespace sealift::domain
