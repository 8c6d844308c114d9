# One application in three environments; the files beside it plan and apply it in
# CI: README.md.

stowage {
  required_version = ">= 0.1"
}

context "dev" {
  variables = {
    hosts    = { a = "10.77.1.11" }
    replicas = 1
  }
}

context "qa" {
  variables = {
    hosts    = { a = "10.77.2.11", b = "10.77.2.12" }
    replicas = 2
  }
}

context "prod" {
  description = "What customers use."
  protected   = true
  variables = {
    hosts    = { a = "10.77.3.11", b = "10.77.3.12", c = "10.77.3.13" }
    replicas = 3
  }
}

variable "hosts" {
  description = "Addresses by name; the first is the manager."
  type        = map(string)
}

variable "replicas" {
  type = number
}

node "m" {
  for_each    = var.hosts
  address     = each.value
  role        = each.key == "a" ? "manager" : "worker"
  schedulable = true
}

secret "token" {
  generate {
    length = 24
  }
}

config "site" {
  files = {
    "index.html" = "<h1>${context.name}</h1>\n"
  }
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
    env = {
      TOKEN = secret.token.value
    }
    port "http" {
      container = 80
      host      = 8080
    }
    mount "/site" {
      config = config.site
    }
    resources {
      cpu    = "50m"
      memory = "16Mi"
    }
  }
}

output "urls" {
  value = [for name, address in var.hosts : "http://${address}:8080/"]
}
