#include "cli/keys.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "access/api_key.h"
#include "base/bytes.h"
#include "config/keys_file.h"
#include "crypto/random.h"
#include "io/clock.h"

namespace cli {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;

// The gate's files, with an empty keys file where there is none yet: the first key has to come from
// somewhere.
class FilesWithKeys final : public config::Files {
 public:
  explicit FilesWithKeys(const config::DiskFiles& disk) : disk_(disk) {}
  std::optional<config::FileIdentity> identify(std::string_view path) const override {
    return disk_.identify(path);
  }
  std::expected<std::string, config::FileError> read(std::string_view path, size_t bytes_max) const override {
    auto text = disk_.read(path, bytes_max);
    bool absent = !text && text.error() == config::FileError::missing;
    if (absent && path != config::kGateFile) return "keys: []\n";
    return text;
  }
  std::expected<std::vector<std::string>, config::FileError> list(std::string_view folder) const override {
    return disk_.list(folder);
  }
  std::optional<std::string> variable(std::string_view name) const override { return disk_.variable(name); }

 private:
  const config::DiskFiles& disk_;
};

struct KeysFile {
  std::string path;
  std::vector<auth::ApiKeySpec> keys;
};

// The file of the provider that options name, or of the only one there is. The status to end with, when there
// is none; the reason was said then.
std::expected<KeysFile, int> find_keys_file(const KeysOptions& options) {
  config::DiskFiles disk(options.dir);
  if (!is_gate(disk)) return std::unexpected(refuse_to_run(no_gate_in(options.dir)));
  FilesWithKeys files(disk);
  config::LoadedGate loaded =
      config::Loader(files, options.env, config::Loader::MissingSecrets::ignored).load();
  if (!loaded.loaded()) {
    print_diagnostics(loaded.diagnostics);
    return std::unexpected(refuse_to_run("the gate is broken, so that its providers are not known"));
  }
  std::vector<const auth::ProviderSpec*> with_keys;
  for (const auth::ProviderSpec& provider : loaded.gate->providers) {
    if (provider.api_keys) with_keys.push_back(&provider);
  }
  if (with_keys.empty()) {
    return std::unexpected(
        refuse_to_run("the gate has no provider of API keys; write `providers: { robots: { api_keys: { file: "
                      "keys.yaml } } }` in gatehouse.yaml"));
  }
  bool only_one = options.provider.empty() && with_keys.size() == 1;
  std::string known;
  for (const auth::ProviderSpec* provider : with_keys) {
    if (only_one || provider->name == options.provider) {
      return KeysFile{.path = disk.absolute(provider->api_keys->file), .keys = provider->api_keys->keys};
    }
    known += (known.empty() ? "" : ", ") + provider->name;
  }
  if (options.provider.empty()) {
    return std::unexpected(
        refuse_to_run("several providers have API keys; say which by --provider: " + known));
  }
  return std::unexpected(refuse_to_run(
      fmt::format("there is no provider of API keys called `{}`; there are: {}", options.provider, known)));
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> items;
  while (auto item = base::take_list_element(text)) items.emplace_back(*item);
  return items;
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ",") + word;
  return out.empty() ? "-" : out;
}

std::string make_id(crypto::RandomSource& random) {
  std::array<uint8_t, 4> bytes{};
  random.fill(bytes);
  return "k_" + base::hex_encode({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

std::string time_text(const std::optional<base::WallTime>& time) {
  return time ? base::format_rfc3339(time->ns).substr(0, 19) + "Z" : "-";
}

bool has_expired(const auth::ApiKeySpec& key, base::WallTime now) {
  return key.expires && *key.expires <= now;
}

std::string key_table(const std::vector<auth::ApiKeySpec>& keys, base::WallTime now) {
  size_t ids = 2;
  size_t owners = 5;
  for (const auth::ApiKeySpec& key : keys) {
    ids = std::max(ids, key.id.size());
    owners = std::max(owners, key.owner.size());
  }
  std::string out = fmt::format("{:<{}}  {:<{}}  {:<20}  {:<20}  {}\n", "ID", ids, "OWNER", owners, "CREATED",
                                "EXPIRES", "SCOPES; GROUPS");
  for (const auth::ApiKeySpec& key : keys) {
    out += fmt::format("{:<{}}  {:<{}}  {:<20}  {:<20}  {}; {}\n", key.id, ids, key.owner, owners,
                       time_text(key.created), has_expired(key, now) ? "expired" : time_text(key.expires),
                       joined(key.scopes), joined(key.groups));
  }
  return out;
}

void append_key(JsonText& json, const auth::ApiKeySpec& key, base::WallTime now) {
  json.open('{').key("id").text(key.id).key("owner").text(key.owner);
  json.key("scopes").texts(key.scopes).key("groups").texts(key.groups);
  for (auto [name, time] : {std::pair{"created", key.created}, {"expires", key.expires}}) {
    json.key(name);
    time ? json.text(base::format_rfc3339(time->ns)) : json.null();
  }
  json.key("expired").boolean(has_expired(key, now)).close('}');
}

}  // namespace

std::expected<base::WallTime, std::string> parse_expiry(std::string_view text, base::WallTime now) {
  if (auto time = base::parse_rfc3339(text)) return base::WallTime{*time};
  if (auto day = base::parse_rfc3339(std::string(text) + "T00:00:00Z")) return base::WallTime{*day};
  if (!text.empty()) {
    static constexpr std::pair<char, int64_t> kUnits[] = {
        {'m', 60}, {'h', 3600}, {'d', 86'400}, {'w', 7 * 86'400}};
    auto count = base::parse_unsigned(text.substr(0, text.size() - 1));
    for (auto [unit, seconds] : kUnits) {
      // A century is past any use, and far from overflow.
      if (unit != text.back() || !count || *count > 100 * 366 * 86'400LL / static_cast<uint64_t>(seconds))
        continue;
      return base::WallTime{now.ns + static_cast<int64_t>(*count) * seconds * kSecondNs};
    }
  }
  return std::unexpected(fmt::format("`{}` is not a time to expire; write 90d, 12h or 2027-01-31", text));
}

int keys_new_command(const KeysOptions& options) {
  base::WallTime now = io::system_clock().wall_now();
  auth::ApiKeySpec spec;
  if (!options.expires.empty()) {
    auto expires = parse_expiry(options.expires, now);
    if (!expires) return refuse_to_run(expires.error());
    if (*expires <= now) return refuse_to_run(fmt::format("{} is over already", options.expires));
    spec.expires = *expires;
  }
  auto file = find_keys_file(options);
  if (!file) return file.error();
  crypto::SystemRandom random;
  std::string key = auth::make_api_key(random);
  spec.id = options.id.empty() ? make_id(random) : options.id;
  spec.digest = auth::api_key_digest(key);
  spec.owner = options.owner;
  spec.scopes = split_list(options.scopes);
  spec.groups = split_list(options.groups);
  spec.created = base::WallTime{now.ns - now.ns % kSecondNs};
  if (auto added = config::add_key_to_file(file->path, spec); !added) return refuse_to_run(added.error());
  if (options.output == Output::json) {
    JsonText json;
    json.open('{').key("key").text(key).key("id").text(spec.id).key("owner").text(spec.owner);
    json.key("file").text(file->path).close('}');
    print(json.str() + "\n");
    return kGood;
  }
  print(key + "\n");
  complain(
      fmt::format("This key is shown only now; {} keeps its digest, as {}. Send it as `X-Api-Key: gh_...`.\n",
                  file->path, spec.id));
  return kGood;
}

int keys_list_command(const KeysOptions& options) {
  auto file = find_keys_file(options);
  if (!file) return file.error();
  base::WallTime now = io::system_clock().wall_now();
  if (options.output == Output::json) {
    JsonText json;
    json.open('{').key("keys").open('[');
    for (const auth::ApiKeySpec& key : file->keys) append_key(json, key, now);
    json.close(']').close('}');
    print(json.str() + "\n");
  } else if (file->keys.empty()) {
    complain("There are no keys yet; `gatehouse keys new` makes one.\n");
  } else {
    print(key_table(file->keys, now));
  }
  return kGood;
}

int keys_revoke_command(KeysOptions options) {
  std::string id = options.words.back();
  if (options.words.size() > 1) options.dir = options.words.front();
  auto file = find_keys_file(options);
  if (!file) return file.error();
  if (auto removed = config::remove_key_from_file(file->path, id); !removed) {
    complain(fmt::format("gatehouse: {}\n", removed.error()));
    return kNo;
  }
  if (options.output == Output::json) {
    JsonText json;
    json.open('{').key("revoked").text(id).key("file").text(file->path).close('}');
    print(json.str() + "\n");
  } else {
    print(fmt::format("revoked {}\n", id));
  }
  return kGood;
}

}  // namespace cli
