#include "net/dial.hpp"

#include <algorithm>

#include "net/call_back.hpp"
#include "net/error_wire.hpp"

namespace sealift::net {

namespace {

constexpr Milliseconds kAddressesWithin{3'000};  // while the peer keeps a connection here
constexpr Milliseconds kAddressesAlone{10'000};

Result<PeerConnection> greet(TlsStream stream, const Hello& hello, Deadline deadline, const Stop& stop) {
  SEALIFT_TRY_STATUS(send_frame(stream, FrameClass::kHello, static_cast<std::uint16_t>(HelloType::kHello),
                                encode_hello(hello), deadline, stop));
  const Frame frame = SEALIFT_TRY(receive_frame(stream, kHelloBytesMax, deadline, stop));
  if (frame.frame_class != FrameClass::kHello)
    return fail(Code::kInvalid, "{} answers HELLO with something else", stream.peer());
  if (frame.type == static_cast<std::uint16_t>(HelloType::kRefused)) {
    return std::unexpected(SEALIFT_TRY(decode_error(frame.body)));
  }
  if (frame.type != static_cast<std::uint16_t>(HelloType::kWelcome)) {
    return fail(Code::kInvalid, "{} answers HELLO with something else", stream.peer());
  }
  Hello theirs = SEALIFT_TRY(decode_hello(frame.body));
  SEALIFT_TRY(common_version(hello, theirs));
  if (theirs.purpose != hello.purpose)
    return fail(Code::kInvalid, "{} answers for another purpose", stream.peer());
  const crypto::PublicKey key = stream.peer_key();
  return PeerConnection{.stream = std::move(stream), .key = key, .hello = std::move(theirs)};
}

bool may_call_back(const DialOptions& options) {
  return options.call_backs != nullptr && options.expected.has_value();
}

// The time for addresses, when a call back may follow: a firewall that drops is silent.
Deadline for_addresses(const DialOptions& options, Deadline deadline) {
  if (!may_call_back(options)) return deadline;
  if (options.call_backs->standing(*options.expected)) return deadline.within(kAddressesWithin);
  const SteadyTime now = std::chrono::steady_clock::now();
  return deadline.at() ? Deadline(now + (*deadline.at() - now) / 2) : Deadline::in(kAddressesAlone);
}

// Every way in its turn until one leads somewhere. try_address and try_call: a Result each.
template <class Made>
Result<Made> each_way(const DialOptions& options, bool call_first, const std::vector<Endpoint>& endpoints,
                      Deadline deadline, const Stop& stop, auto try_address, auto try_call) {
  std::optional<Error> first_error;
  std::string tried;
  const auto note = [&](std::string_view way, const Error& error) {
    tried += fmt::format("{}{}: {}", tried.empty() ? "" : "; ", way, error.message);
    if (!first_error || first_error->code == Code::kUnavailable) first_error = error;
  };
  const auto addresses = [&]() -> std::optional<Made> {
    const Deadline until = for_addresses(options, deadline);
    for (const Endpoint& endpoint : endpoints) {
      auto made = try_address(endpoint, until);
      if (made) return std::move(*made);
      note(endpoint.text(), made.error());
      if (until.passed() || stop.stopped()) break;
    }
    return std::nullopt;
  };
  const auto call = [&]() -> std::optional<Made> {
    if (!may_call_back(options) || stop.stopped()) return std::nullopt;
    auto stream = options.call_backs->call(*options.expected, deadline, stop);
    auto made = stream ? try_call(std::move(*stream)) : Result<Made>(std::unexpected(stream.error()));
    if (made) return std::move(*made);
    note("call back", made.error());
    return std::nullopt;
  };
  for (const bool calling : {call_first, !call_first}) {
    if (auto made = calling ? call() : addresses()) return std::move(*made);
  }
  if (!first_error) return fail(Code::kUnavailable, "no address is known");
  if (stop.stopped()) return fail(Code::kCancelled, "stopped");
  if (endpoints.empty()) tried = "it takes no connections; " + tried;
  return fail(first_error->code, "{}", tried);
}

}  // namespace

std::vector<Endpoint> parse_endpoints(const std::vector<std::string>& texts) {
  std::vector<Endpoint> endpoints;
  for (const std::string& text : texts) {
    if (auto endpoint = Endpoint::parse(text)) endpoints.push_back(std::move(*endpoint));
  }
  return endpoints;
}

Result<PeerConnection> dial_peer(const DialOptions& options, const crypto::Identity& identity,
                                 Deadline deadline, const Stop& stop) {
  struct Reached {
    TlsStream stream;
    std::optional<Endpoint> dialled;
  };
  const bool call_first =
      options.endpoints.empty() ||
      (may_call_back(options) && options.call_backs->addresses_in_vain(*options.expected));
  auto reached = each_way<Reached>(
      options, call_first, options.endpoints, deadline, stop,
      [&](const Endpoint& endpoint, Deadline until) -> Result<Reached> {
        auto stream = connect_tls(endpoint, identity, options.expected, until, stop);
        if (!stream) return std::unexpected(stream.error());
        return Reached{std::move(*stream), endpoint};
      },
      [&](TcpStream socket) -> Result<Reached> {
        auto stream = connect_tls(std::move(socket), identity, options.expected, deadline, stop);
        if (!stream) return std::unexpected(stream.error());
        return Reached{std::move(*stream), std::nullopt};
      });
  if (!reached) return std::unexpected(reached.error());
  // Raw connections tell nothing of whom they reached: only this one, with its key, is remembered.
  if (may_call_back(options) && (reached->dialled || !call_first))
    options.call_backs->reached(*options.expected, reached->dialled.has_value());
  PeerConnection connection = SEALIFT_TRY(greet(std::move(reached->stream), options.hello, deadline, stop));
  connection.dialled = std::move(reached->dialled);
  return connection;
}

Result<TcpStream> dial_raw(const DialOptions& options, const std::optional<Endpoint>& dialled,
                           Deadline deadline, const Stop& stop) {
  std::vector<Endpoint> endpoints = options.endpoints;
  if (dialled) {  // its turn is first
    std::erase(endpoints, *dialled);
    endpoints.insert(endpoints.begin(), *dialled);
  }
  return each_way<TcpStream>(
      options, !dialled, endpoints, deadline, stop,
      [&](const Endpoint& endpoint, Deadline until) { return TcpStream::connect(endpoint, until, stop); },
      [](TcpStream socket) -> Result<TcpStream> { return socket; });
}

}  // namespace sealift::net
