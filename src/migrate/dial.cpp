#include "migrate/dial.hpp"

namespace sealift::migrate {

Result<std::shared_ptr<Conversation>> dial(const MoveManagerOptions& options, const ledger::HostName& to,
                                           std::uint32_t connections, Deadline deadline, const Stop& stop) {
  const auto state = options.ledger->final_state();
  const auto member = state->member(to);
  if (!member)
    return fail(Code::kNotFound, "{} is no member of the domain: sealift domain members", to.text());
  net::DialOptions dialled;
  for (const std::string& text : member->info.endpoints) {
    auto endpoint = net::Endpoint::parse(text);
    if (endpoint) dialled.endpoints.push_back(std::move(*endpoint));
  }
  if (dialled.endpoints.empty())
    return fail(Code::kUnavailable, "{} has told the domain no address: sealift host update there",
                to.text());
  dialled.expected = member->info.key;
  dialled.hello.purpose = kMovePurpose;
  dialled.hello.host_name = options.self.text();
  dialled.hello.domain = state->domain().hex();
  transport::SessionOptions session = options.session;
  session.connections = connections;
  auto opened = transport::Session::initiate(
      std::make_unique<transport::EndpointDialer>(std::move(dialled), *options.identity), session, deadline,
      stop);
  if (!opened) return because(opened.error(), "reaching " + to.text());
  return std::make_shared<Conversation>(std::move(*opened));
}

}  // namespace sealift::migrate
