# One configuration, two environments:
#
#   stowage context use dev
#   stowage apply
#
#   stowage plan -context=prod -out=prod.plan
#   stowage apply prod.plan

stowage {
  backend "local" { path = "state/${context.name}.json" }
}

context "dev" {
  description = "One host, for trying things."
  variables = {
    hosts    = { a = "dev.example.com" }
    replicas = 1
  }
}

context "prod" {
  description = "What customers see."
  protected   = true # its name is typed, or a saved plan applied
  variables = {
    hosts    = { a = "10.0.0.11", b = "10.0.0.12", c = "10.0.0.13" }
    replicas = 3
    greeting = "Welcome!"
  }
}

variable "hosts" {
  description = "Address of each node, by name."
  type        = map(string)
}

variable "replicas" {
  type = number
  validation {
    condition     = var.replicas > 0
    error_message = "replicas must be positive."
  }
}

variable "greeting" { default = "Hello!" }

node "m" {
  for_each    = var.hosts
  address     = each.value
  role        = each.key == keys(var.hosts)[0] ? "manager" : "worker"
  schedulable = true
}

config "site" {
  files = { "index.html" = "<h1>${var.greeting}</h1><p>This is ${context.name}.</p>\n" }
}

image "web" {
  copy "/bin/busybox" {
    to   = "/bin/httpd"
    mode = "0755"
  }
  entrypoint = ["/bin/httpd", "-f", "-p", "80", "-h", "/site"]
}

pod "web" {
  replicas = var.replicas
  container "httpd" {
    image = image.web
    port "http" {
      container = 80
      host      = 8080
    }
    mount "/site" { config = config.site }
    resources {
      cpu    = "50m"
      memory = "16Mi"
    }
  }
  placement { one_per = "node" }
}

output "urls" {
  value = [for n in node.m : "http://${n.address}:8080/"]
}
