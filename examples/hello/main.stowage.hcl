# A web server on this machine: `make demo` runs all of it.

stowage {
  required_version = ">= 0.1"
}

variable "greeting" {
  type    = string
  default = "Hello from Stowage!"
}

node "here" {
  connection = "local"
}

# No Dockerfile: one static binary makes an image. Debian's package busybox-static
# provides it; called by the name httpd it is a web server.
image "web" {
  copy "/bin/busybox" {
    to   = "/bin/httpd"
    mode = "0755"
  }
  entrypoint = ["/bin/httpd", "-f", "-p", "80", "-h", "/site"]
}

config "site" {
  files = {
    "index.html" = "<h1>${var.greeting}</h1>\n"
  }
}

pod "web" {
  container "httpd" {
    image = image.web
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
      limits {
        memory = "64Mi"
        pids   = 50
      }
    }
  }
}

output "url" {
  value = "http://127.0.0.1:8080/"
}
