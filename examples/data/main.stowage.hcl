# What a configuration reads from outside: the commit from the environment, hosts from
# an inventory, pages and their digest, encrypted settings, and the release that another
# context runs.
#
#   stowage plan -context=staging

stowage {
  backend "local" { path = "state/${context.name}.json" }
}

context "staging" { variables = { release = "1.5.0" } }
context "prod" { protected = true }

variable "release" {
  description = "What is to run; prod takes over what staging runs."
  default     = null
}

# The environment of this run; without CI_COMMIT it is a plan by hand.
data "environment" "ci" {
  defaults  = { CI_COMMIT = null }
  sensitive = false
}

# A program that answers with JSON. It is asked with every plan and changes nothing.
data "external" "inventory" {
  program = ["./inventory.sh"]
  query   = { context = context.name }

  lifecycle {
    postcondition {
      condition     = length(self.result) > 0
      error_message = "The inventory has no host for ${context.name}."
    }
  }
}

# The files of a directory and their digest.
data "file" "site" { path = "site" }

data "file" "pages" {
  for_each = toset(data.file.site.files)
  path     = "site/${each.key}"
}

# Settings that sops encrypted, and a password that age did, to the key in key.txt.
data "sops" "settings" {
  path          = "settings.enc.yaml"
  identity_file = "key.txt"
}

data "age" "password" {
  path          = "password.age"
  identity_file = "key.txt"
}

# The outputs of another context, read without a lock.
data "outputs" "staging" {
  count   = context.name == "prod" ? 1 : 0
  context = "staging"

  lifecycle {
    postcondition {
      condition     = !strcontains(self.values.release, "-rc")
      error_message = "staging runs ${self.values.release}, which is no release."
    }
  }
}

locals {
  release = var.release != null ? var.release : one(data.outputs.staging[*].values.release)
}

node "m" {
  for_each    = data.external.inventory.result
  address     = each.value
  role        = each.key == "a" ? "manager" : "worker"
  schedulable = true
}

secret "password" { value = data.age.password.content }

config "site" { files = { for name, page in data.file.pages : name => page.content } }

image "web" {
  copy "/bin/busybox" {
    to   = "/bin/httpd"
    mode = "0755"
  }
  entrypoint = ["/bin/httpd", "-f", "-p", "80", "-h", "/site"]
}

pod "shop" {
  container "httpd" {
    image = image.web
    env = {
      RELEASE = local.release
      COMMIT  = coalesce(data.environment.ci.values.CI_COMMIT, "by hand")
      SITE    = data.file.site.sha256
      DB_HOST = data.sops.settings.values.db.host
      DB_USER = data.sops.settings.values.db.user
    }
    port "http" {
      container = 80
      host      = 80
    }
    mount "/run/secrets/password" { secret = secret.password }
    mount "/site" { config = config.site }
  }
}

# Whether the page answers is asked once the shop stands, and after every apply. It only warns.
check "page" {
  data "external" "page" {
    program    = ["./probe.sh"]
    query      = { for name, address in data.external.inventory.result : name => "http://${address}/" }
    depends_on = [pod.shop]
    timeouts { read = "30s" }
  }
  assert {
    condition     = contains(values(data.external.page.result), "200")
    error_message = "No host answers: ${jsonencode(data.external.page.result)}."
  }
}

output "release" { value = local.release }
output "commit" { value = data.environment.ci.values.CI_COMMIT }
output "hosts" { value = data.external.inventory.result }
